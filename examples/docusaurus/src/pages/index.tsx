import Link from '@docusaurus/Link'
import Layout from '@theme/Layout'

export default function Home() {
  return (
    <Layout description="A Docusaurus site behind Gatehouse">
      <main className="container margin-vert--xl">
        <h1>Light, behind a gate</h1>
        <p>Everybody may read this page and the documentation. Members read more.</p>
        <p className="questions">
          <Link className="button button--primary button--lg" to="/docs/">
            Documentation
          </Link>
          <a className="button button--secondary button--lg" href="/members/">
            For members
          </a>
        </p>
      </main>
    </Layout>
  )
}
