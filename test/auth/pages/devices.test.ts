import t from 'tap'
import { deviceLabel } from '../../../auth/pages/device-list.ts'

const labels: [userAgent: string, label: string][] = [
  ['Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0', 'Firefox on Linux'],
  [
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1',
    'Safari on iPhone'
  ],
  [
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0',
    'Microsoft Edge on Windows'
  ],
  ['curl/8.5.0', 'curl'],
  ['', 'Unknown device'],
  ['   ', 'Unknown device'],
  ['<script>alert(1)</script>', 'Unknown device']
]

for (const [userAgent, label] of labels) {
  t.test(`${label} is recognised`, async (t) => {
    t.equal(deviceLabel(userAgent), label)
  })
}

t.test('a User-Agent without end is no work without end', async (t) => {
  t.type(deviceLabel(`Mozilla/5.0 ${'('.repeat(100_000)}`), 'string')
})
