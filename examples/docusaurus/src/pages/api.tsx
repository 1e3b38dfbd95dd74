import BrowserOnly from '@docusaurus/BrowserOnly'
import Layout from '@theme/Layout'
import { AskFastApi } from '../components/AskFastApi.tsx'

export default function Api() {
  return (
    <Layout title="API" description="This page asks FastAPI">
      <main className="container margin-vert--xl">
        <h1>Ask FastAPI</h1>
        <p>
          The first answer is the same for everybody, the second knows you if you are signed in, and the third needs you
          to be.
        </p>
        <BrowserOnly>{() => <AskFastApi />}</BrowserOnly>
      </main>
    </Layout>
  )
}
