import { signInAddress, useGateway } from '../gateway.ts'

/** Who is signed in, with a way out; or the way in. */
export function Account() {
  const gateway = useGateway()
  const { data, isPending } = gateway.auth.useSession()
  if (isPending) return <span className="navbar__item account" aria-busy="true" />
  if (data === null)
    return (
      <a className="navbar__item navbar__link" href={signInAddress(gateway)}>
        Sign in
      </a>
    )

  async function signOut() {
    await gateway.auth.signOut()
    // The page may be one that only members see: the gateway decides anew.
    window.location.reload()
  }

  return (
    <span className="navbar__item account">
      <a href={`${gateway.url}/auth/account`}>{data.user.name}</a>
      <button type="button" className="button button--secondary button--sm" onClick={signOut}>
        Sign out
      </button>
    </span>
  )
}
