// What the pages do beyond HTML. Without it they work too: forms are forms, and a list is as old as its page.

// A page out of the browser's memory may belong to somebody who has signed out since.
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

for (const input of document.querySelectorAll('input[type=password]')) letShow(input)

if (location.hash !== '') keepPlace(location.hash)

for (const form of document.querySelectorAll('form')) form.addEventListener('submit', submitOnce)

const list = document.querySelector('[data-live]')
if (list !== null) followDevices(list)

// The part of an address behind # is the browser's alone: it came along, and has to go on with the address to return to.
function keepPlace(hash) {
  for (const { form } of document.querySelectorAll('input[name=next]')) {
    if (!form.elements.next.value.includes('#')) form.elements.next.value += hash
  }
  for (const link of document.querySelectorAll('a[href*="next="]')) link.hash = hash
}

function letShow(input) {
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

// A second click would only be counted as a second attempt.
function submitOnce(event) {
  const form = event.currentTarget
  if (form.dataset.sent !== undefined) {
    event.preventDefault()
    return
  }
  form.dataset.sent = ''
  for (const button of form.querySelectorAll('button:not([type=button])')) button.setAttribute('aria-disabled', 'true')
}

function followDevices(devices) {
  let source
  const follow = () => {
    source?.close()
    source = undefined
    // A tab that nobody looks at needs no connection.
    if (document.hidden) return
    source = new EventSource(devices.dataset.live)
    source.addEventListener('devices', (event) => keepOnly(devices, new Set(JSON.parse(event.data))))
    // A new password makes a new session of this one: by then the browser may have it, and stays.
    source.addEventListener('ended', () => setTimeout(() => location.assign('/auth/account'), 300))
  }
  // What a form does to this list is said by the page that comes next.
  document.addEventListener('submit', () => source?.close())
  document.addEventListener('visibilitychange', follow)
  follow()
}

function keepOnly(devices, ids) {
  const gone = [...devices.querySelectorAll('[data-device]')].filter(({ dataset }) => !ids.has(dataset.device))
  if (gone.length === 0) return
  const hadFocus = gone.some((item) => item.contains(document.activeElement))
  for (const item of gone) item.remove()
  // On other pages there are more of them.
  const all = document.querySelector('.pages') === null
  document.querySelector('[data-others]').hidden = all && devices.children.length < 2
  document.querySelector('[data-live-note]').textContent = 'A device was signed out.'
  if (hadFocus) {
    devices.tabIndex = -1
    devices.focus()
  }
}
