import BrowserOnly from '@docusaurus/BrowserOnly'
import ComponentTypes from '@theme-original/NavbarItem/ComponentTypes'
import { Account } from '../../components/Account.tsx'

// Pages are built without knowing who will read them.
function AccountNavbarItem({ mobile = false }: { mobile?: boolean }) {
  const account = <BrowserOnly>{() => <Account />}</BrowserOnly>
  return mobile ? <li className="menu__list-item">{account}</li> : account
}

export default { ...ComponentTypes, 'custom-account': AccountNavbarItem }
