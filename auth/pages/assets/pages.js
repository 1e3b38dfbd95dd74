// What the pages do beyond HTML. Everything works without this script as well, if with less comfort.

// A page that the browser restores from its memory may be of somebody who has signed out since: it is loaded anew.
addEventListener('pageshow', (event) => {
  if (event.persisted) location.reload()
})

for (const time of document.querySelectorAll('time')) {
  const date = new Date(time.dateTime)
  time.title = date.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' })
  time.textContent =
    date.toDateString() === new Date().toDateString()
      ? `today, ${date.toLocaleTimeString(undefined, { timeStyle: 'short' })}`
      : date.toLocaleDateString(undefined, { dateStyle: 'medium' })
}

for (const input of document.querySelectorAll('input[type=password]')) addShowButton(input)

if (location.hash !== '') keepFragment(location.hash)

for (const form of document.querySelectorAll('form')) form.addEventListener('submit', submitOnce)

const devices = document.querySelector('[data-live]')
if (devices !== null) followDevices(devices)

// Browsers send no fragment to the server, but keep it across redirects, so the sign-in page has that of the page which
// was asked for. It is added to the address to return to.
function keepFragment(hash) {
  for (const { form } of document.querySelectorAll('input[name=next]')) {
    if (!form.elements.next.value.includes('#')) form.elements.next.value += hash
  }
  for (const link of document.querySelectorAll('a[href*="next="]')) link.hash = hash
}

function addShowButton(input) {
  const box = document.createElement('div')
  box.className = 'secret'
  const button = document.createElement('button')
  button.type = 'button'
  const show = (shown) => {
    input.type = shown ? 'text' : 'password'
    button.textContent = shown ? 'Hide' : 'Show'
    button.setAttribute('aria-label', `${button.textContent}: ${input.labels[0]?.textContent ?? 'password'}`)
  }
  button.setAttribute('aria-controls', input.id)
  button.addEventListener('click', () => show(input.type === 'password'))
  const hadFocus = document.activeElement === input
  input.replaceWith(box)
  box.append(input, button)
  if (hadFocus) input.focus()
  show(false)
  input.form.addEventListener('submit', () => show(false))
}

// A second click on the button would send the form again, and would count as a second attempt.
function submitOnce(event) {
  const form = event.currentTarget
  if (form.dataset.sent !== undefined) {
    event.preventDefault()
    return
  }
  form.dataset.sent = ''
  for (const button of form.querySelectorAll('button:not([type=button])')) button.setAttribute('aria-disabled', 'true')
}

function followDevices(list) {
  let events
  const follow = () => {
    events?.close()
    // While its tab is hidden, a page holds no connection.
    if (document.hidden) return
    events = new EventSource(list.dataset.live)
    events.addEventListener('devices', (event) => keepDevices(list, new Set(JSON.parse(event.data))))
    // Changing the password ends this session and begins another. The wait gives that form's response the time to set the
    // new session's cookie, and then the account page loads again instead of the sign-in page.
    events.addEventListener('ended', () => setTimeout(() => location.assign(list.dataset.account), 300))
  }
  // A form that signs a device out leads to a page that says so: this page has nothing more to show.
  document.addEventListener('submit', () => events?.close())
  document.addEventListener('visibilitychange', follow)
  follow()
}

function keepDevices(list, ids) {
  const gone = [...list.querySelectorAll('[data-device]')].filter(({ dataset }) => !ids.has(dataset.device))
  if (gone.length === 0) return
  const hadFocus = gone.some((item) => item.contains(document.activeElement))
  for (const item of gone) item.remove()
  // Links to other pages of devices mean that there are more devices than this list shows.
  const isWhole = document.querySelector('.pages') === null
  document.querySelector('[data-others]').hidden = isWhole && list.children.length < 2
  document.querySelector('[data-live-note]').textContent = 'A device was signed out.'
  if (hadFocus) {
    list.tabIndex = -1
    list.focus()
  }
}
