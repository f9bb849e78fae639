/** Checks of the page that `sq-wal serve` serves. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import type { Check, Surroundings } from './check.ts'
import { HOSTILE, openLog } from './logs.ts'
import { fits, visit } from './visited-page.ts'
import type { Looks } from './visited-page.ts'

function visitView(
  { browser, address }: Surroundings,
  view: string,
  action: (page: Page) => Promise<void>,
  looks: Looks = {},
): Promise<void> {
  return visit(browser, address + view, action, looks)
}

const VIEWS = ['', '#records/web%2F0', '#tail/web%2F0', '#picture/web%2F0']

/** Scrolls to the end again and again, in the page. Results in the last offset, and the most rows at a time. */
const SCROLL = `(async () => {
  const scrolled = document.querySelector('.records')
  const offset = () => Number(scrolled.querySelector('tbody tr:last-child')?.dataset.offset)
  let most = 0
  for (let before = offset(); before < 99999; before = offset()) {
    scrolled.scrollTop = scrolled.scrollHeight
    while (offset() === before) await new Promise(requestAnimationFrame)
    most = Math.max(most, scrolled.querySelectorAll('tbody tr').length)
  }
  return [offset(), most]
})()`

const FIRST_ROW = '.records tbody tr, .scrolling tbody tr, .facts dd'

export const LIVE_CHECKS: readonly Check[] = [
  {
    name: 'the logs are listed, and a log is opened with the keyboard',
    run: (surroundings) =>
      visitView(surroundings, '', async (page) => {
        await page.getByRole('link', { name: 'web/0' }).focus()
        await page.keyboard.press('Enter')
        await page.waitForSelector('.records tbody tr')
        assert.equal(await page.locator('h1').textContent(), 'web/0')
        await page.locator('.records .plain').first().focus()
        await page.keyboard.press('Enter')
        await page.waitForSelector('dialog[open]')
        assert.match((await page.locator('dialog pre').last().textContent()) ?? '', /\n {2}"id": 0,/)
        await page.getByRole('button', { name: 'Hex' }).last().click()
        assert.match((await page.locator('dialog pre').last().textContent()) ?? '', /^00000000 {2}7b 22 69 64/)
        await page.keyboard.press('Escape')
        await page.waitForSelector('dialog', { state: 'detached' })
      }),
  },
  {
    name: 'records are shown from an offset, from a time and with a filter',
    run: (surroundings) =>
      visitView(surroundings, '#records/web%2F0', async (page) => {
        const show = async (name: string, text: string): Promise<void> => {
          await page.waitForSelector('.records tbody tr')
          await page.getByLabel(name).fill(text)
          await page.getByRole('button', { name: 'Show' }).click()
        }
        await show('from offset or time', '43210')
        await page.waitForSelector('tr[data-offset="43210"]')
        await show('from offset or time', '2026-11-22 00:10')
        await page.locator('.records tbody tr:first-child td:nth-child(2)', { hasText: '2026-11-22 00:10' }).waitFor()
        await show('from offset or time', '')
        await show('value contains', '"id":77777')
        await page.locator('.readout', { hasText: /^1 row / }).waitFor()
        assert.equal(await page.locator('.records .plain').textContent(), '77777')
      }),
  },
  {
    name: '100,000 records are scrolled, with at most 1,000 rows in the page',
    run: (surroundings) =>
      visitView(surroundings, '#records/web%2F0', async (page) => {
        await page.waitForSelector('.records tbody tr')
        const [offset, most] = await page.evaluate<[number, number]>(SCROLL)
        assert.equal(offset, 99_999)
        assert.ok(most <= 1000, `${most} rows`)
        await page.evaluate('document.querySelector(".records").scrollTo(0, 0)')
        await page.waitForSelector('tr[data-offset="98900"]', { state: 'attached' })
      }),
  },
  {
    name: 'new records come while a writer appends, but not while the tail is paused',
    run: async (surroundings) => {
      const writer = await openLog(join(surroundings.place, 'data'), 'live')
      const append = (text: string): Promise<bigint> => writer.append(null, Buffer.from(text), [], 0)
      try {
        await append('before')
        await visitView(surroundings, '#tail/live%2F0', async (page) => {
          await page.getByText('before').waitFor()
          for (const text of ['one', 'two', 'three']) {
            await append(text)
            await page.getByRole('cell', { name: text, exact: true }).waitFor()
          }
          assert.match((await page.locator('.records tbody tr').first().textContent()) ?? '', /three/)
          await page.getByRole('button', { name: 'Pause' }).click()
          await append('four')
          const list = await page.context().newPage()
          await list.goto(surroundings.address)
          await list.getByText('by process').waitFor()
          await list.close()
          assert.equal(await page.getByRole('cell', { name: 'four', exact: true }).count(), 0)
          await page.getByRole('button', { name: 'Continue' }).click()
          await page.getByRole('cell', { name: 'four', exact: true }).waitFor()
        })
      } finally {
        await writer.close()
      }
    },
  },
  {
    name: 'a log is verified and drawn',
    run: (surroundings) =>
      visitView(surroundings, '#picture/damaged%2F0', async (page) => {
        await page.getByRole('button', { name: 'Verify and draw' }).click()
        await page.waitForSelector('svg.picture')
        await page.getByText(/1 problem, \d\d:\d\d:\d\d/).waitFor()
      }),
  },
  {
    name: 'the records before damage are shown, and what the damage is',
    run: (surroundings) =>
      visitView(surroundings, '#records/damaged%2F0', async (page) => {
        await page.waitForSelector('.records tbody tr')
        await page.getByLabel('value contains').fill('nothing has this')
        await page.getByRole('button', { name: 'Show' }).click()
        await page.locator('.readout', { hasText: 'damaged/0' }).waitFor()
      }),
  },
  {
    name: 'the command of a view is copied',
    run: (surroundings) =>
      visitView(surroundings, '#records/web%2F0', async (page) => {
        await page.getByLabel('from offset or time').fill('2026-11-22 00:10')
        await page.getByLabel('key').fill("it's")
        await page.getByRole('button', { name: 'Copy as command' }).click()
        const command = String.raw`sq-wal cat web/0 -d data --count 400 --from '2026-11-22 00:10' --key 'it'\''s'`
        await page.locator('code', { hasText: command }).waitFor()
        assert.equal(await page.evaluate('navigator.clipboard.readText()'), command)
      }),
  },
  {
    name: 'hostile keys, values and headers are text in every view',
    run: async (surroundings) => {
      for (const view of ['records', 'tail']) {
        await visitView(surroundings, `#${view}/hostile%2F0`, async (page) => {
          await page.waitForSelector('.records tbody tr')
          const keys = await page.locator('.records td:nth-child(3)').allTextContents()
          assert.ok(HOSTILE.every((text) => keys.includes(text)) || view === 'tail')
          for (const at of [0, 1]) {
            await page.locator('.records .plain').nth(at).click()
            for (const button of await page.locator('dialog .tools button').all()) await button.click()
            await page.getByRole('button', { name: 'Close' }).click()
          }
          assert.equal(await page.locator('main img, main iframe, main script, main style').count(), 0)
        })
      }
    },
  },
  {
    name: 'a hostile name of a log in the address is text',
    run: (surroundings) =>
      visitView(surroundings, '#nothing/x', async (page) => {
        await page.waitForSelector('.scrolling')
        for (const text of HOSTILE) {
          await page.evaluate(`location.hash = ${JSON.stringify(`#picture/${encodeURIComponent(text)}`)}`)
          await page.locator('[role=status]', { hasText: 'there is no such log' }).waitFor()
          assert.equal(await page.locator('h1').textContent(), text)
        }
        assert.equal(await page.locator('main img, main iframe, main script, main style').count(), 0)
      }),
  },
  ...VIEWS.flatMap((view) =>
    [
      { width: 360, dark: true },
      { width: 1600, dark: false },
    ].map((looks) => ({
      name: `the view ${view || 'of all logs'} fits a window of ${looks.width} pixels`,
      run: (surroundings: Surroundings) =>
        visitView(
          surroundings,
          view,
          async (page) => {
            await page.waitForSelector(FIRST_ROW)
            await fits(page)
          },
          looks,
        ),
    })),
  ),
  {
    name: 'the pictures of the live page are written',
    run: async (surroundings) => {
      const { pictures } = surroundings
      if (pictures === null) return
      for (const dark of [false, true]) {
        const path = join(pictures, `serve-${dark ? 'dark' : 'light'}.png`)
        await visitView(
          surroundings,
          '#records/web%2F0',
          async (page) => {
            await page.waitForSelector(FIRST_ROW)
            await page.screenshot({ path, clip: { x: 0, y: 0, width: 900, height: 600 } })
          },
          { width: 900, dark },
        )
      }
    },
  },
]
