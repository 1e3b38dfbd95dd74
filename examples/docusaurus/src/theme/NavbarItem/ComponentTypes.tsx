import BrowserOnly from '@docusaurus/BrowserOnly'
import ComponentTypes from '@theme-original/NavbarItem/ComponentTypes'
import { Account } from '../../components/Account.tsx'

// Pages are built without knowing who will read them.
function AccountNavbarItem() {
  return <BrowserOnly>{() => <Account />}</BrowserOnly>
}

export default { ...ComponentTypes, 'custom-account': AccountNavbarItem }
