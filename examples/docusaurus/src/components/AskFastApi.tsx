import { useState } from 'react'
import { useGateway } from '../gateway.ts'

const questions = ['/hello', '/feed', '/me'] as const

/** Sends requests to FastAPI and shows what comes back. */
export function AskFastApi() {
  const { url } = useGateway()
  const [answer, setAnswer] = useState('')

  async function ask(path: string) {
    // The cookie goes along whatever the port of this page is; from another one the gateway answers only trusted origins.
    const response = await fetch(url + path, { credentials: 'include' })
    setAnswer(`${response.status} ${JSON.stringify(await response.json(), null, 2)}`)
  }

  return (
    <>
      <p className="questions">
        {questions.map((path) => (
          <button key={path} type="button" className="button button--primary" onClick={() => ask(path)}>
            GET {path}
          </button>
        ))}
      </p>
      <pre role="status" aria-label="Answer">
        {answer}
      </pre>
    </>
  )
}
