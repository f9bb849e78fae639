/** Checks of the file that `sq-wal report` writes. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Page } from 'playwright-core'
import type { Check, Surroundings } from './check.ts'
import { HOSTILE } from './logs.ts'
import { fits, visit } from './visited-page.ts'
import type { Looks } from './visited-page.ts'

const SIZES: readonly Looks[] = [360, 1600].flatMap((width) => [
  { width, dark: false },
  { width, dark: true },
])

function visitReport(
  { browser, place }: Surroundings,
  name: string,
  action: (page: Page) => Promise<void>,
  looks: Looks = {},
): Promise<void> {
  return visit(browser, pathToFileURL(join(place, name)).href, action, looks)
}

export const REPORT_CHECKS: readonly Check[] = [
  {
    name: 'a report has a picture, charts and tables',
    run: (surroundings) =>
      visitReport(surroundings, 'damaged.html', async (page) => {
        assert.equal(await page.title(), 'damaged/0 - sq-wal report')
        assert.equal(await page.locator('svg.picture').count(), 1)
        assert.equal(await page.locator('svg.chart').count(), 5)
        assert.ok((await page.locator('table tr').count()) > 40)
        assert.ok((await page.locator('rect.bad').count()) > 0, 'damage is drawn')
        assert.ok(await page.getByText('the body').first().isVisible(), 'damage is told')
      }),
  },
  {
    name: 'the picture is zoomed and read with the keyboard',
    run: (surroundings) =>
      visitReport(surroundings, 'damaged.html', async (page) => {
        const picture = page.locator('svg.picture')
        const [range, readout] = [page.locator('.range'), page.locator('.readout')]
        const whole = await range.textContent()
        await picture.focus()
        await page.keyboard.press('End')
        assert.match((await readout.textContent()) ?? '', /offsets \d+-29999/)
        await page.keyboard.press('Home')
        for (let times = 0; times < 4; times++) await page.keyboard.press('+')
        assert.notEqual(await range.textContent(), whole)
        await page.keyboard.press('ArrowRight')
        assert.match((await readout.textContent()) ?? '', /commit/)
        await page.keyboard.press('0')
        assert.equal(await range.textContent(), whole)
      }),
  },
  {
    name: 'the picture tells what is under the pointer, and is zoomed with the wheel',
    run: (surroundings) =>
      visitReport(surroundings, 'damaged.html', async (page) => {
        const range = page.locator('.range')
        const whole = await range.textContent()
        await page.locator('svg.picture').hover({ position: { x: 500, y: 20 } })
        assert.match((await page.locator('.readout').textContent()) ?? '', /offsets \d+-\d+; 2026-11-22 /)
        await page.mouse.wheel(0, -300)
        await page
          .locator('.range')
          .filter({ hasNotText: whole ?? '' })
          .waitFor()
      }),
  },
  {
    name: 'hostile keys, values and headers are text in a report',
    run: (surroundings) =>
      visitReport(surroundings, 'hostile.html', async (page) => {
        assert.equal(await page.locator('main img, main iframe, main script, main style').count(), 0)
        const keys = await page.locator('section[aria-label=Keys] td:first-child').allTextContents()
        assert.deepEqual(keys.toSorted(), HOSTILE.toSorted())
      }),
  },
  ...SIZES.map(({ width = 0, dark = false }) => ({
    name: `a report fits a window of ${width} pixels, ${dark ? 'dark' : 'light'}`,
    run: (surroundings: Surroundings) =>
      visitReport(
        surroundings,
        'damaged.html',
        async (page) => {
          await fits(page)
          const background = await page.evaluate('getComputedStyle(document.body).backgroundColor')
          assert.equal(background, dark ? 'rgb(18, 23, 29)' : 'rgb(255, 255, 255)')
        },
        { width, dark },
      ),
  })),
  {
    name: 'a printed report has no buttons',
    run: (surroundings) =>
      visitReport(surroundings, 'damaged.html', async (page) => {
        assert.equal(await page.locator('.tools').first().isVisible(), true)
        await page.emulateMedia({ media: 'print' })
        assert.equal(await page.locator('.tools').first().isVisible(), false)
      }),
  },
  {
    name: 'a report of many logs links to each',
    run: (surroundings) =>
      visitReport(surroundings, 'all.html', async (page) => {
        assert.deepEqual(await page.locator('h2').allTextContents(), ['audit/0', 'damaged/0', 'hostile/0', 'web/0'])
        await page.getByRole('link', { name: 'web/0' }).click()
        assert.ok(page.url().endsWith('#log3'))
      }),
  },
  {
    name: 'the pictures of a report are written',
    run: async (surroundings) => {
      const { pictures } = surroundings
      if (pictures === null) return
      for (const dark of [false, true]) {
        const path = join(pictures, `report-${dark ? 'dark' : 'light'}.png`)
        const clip = { x: 0, y: 0, width: 900, height: 900 }
        await visitReport(surroundings, 'damaged.html', async (page) => void (await page.screenshot({ path, clip })), {
          width: 900,
          dark,
        })
      }
    },
  },
]
