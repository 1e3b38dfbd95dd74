import { type Contender, page } from './contender.ts'

/** The tiny upstream itself. */
export const direct: Contender = {
  name: 'direct',
  async start(stage) {
    const { url } = await stage.upstream()
    return { load: { url: url + page, headers: {}, status: 200 }, pids: [] }
  }
}

/** One uvicorn worker itself. */
export const directUvicorn: Contender = {
  name: 'uvicorn, direct',
  async start(stage) {
    const { url } = await stage.uvicorn()
    return { load: { url: url + page, headers: {}, status: 200 }, pids: [] }
  }
}
