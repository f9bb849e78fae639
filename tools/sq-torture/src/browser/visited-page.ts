/** A page in a browser that tells what must not happen: errors, scripts of others, and requests to another place. */
import assert from 'node:assert/strict'
import type { Browser, Page } from 'playwright-core'

export interface Looks {
  readonly width?: number
  readonly dark?: boolean
}

/** Opens an address, runs an action on the page, and checks what happened meanwhile. */
export async function visit(
  browser: Browser,
  address: string,
  action: (page: Page) => Promise<void>,
  { width = 1200, dark = false }: Looks = {},
): Promise<void> {
  const context = await browser.newContext({
    viewport: { width, height: 900 },
    colorScheme: dark ? 'dark' : 'light',
    permissions: ['clipboard-read', 'clipboard-write'],
  })
  try {
    const page = await context.newPage()
    const wrong: string[] = []
    page.on('pageerror', (error) => wrong.push(`error: ${error.message}`))
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) wrong.push(`console: ${message.text()}`)
    })
    page.on('dialog', (dialog) => {
      wrong.push(`dialog: ${dialog.message()}`)
      void dialog.dismiss()
    })
    page.on('request', (request) => {
      const url = request.url()
      if (!url.startsWith(address.split('#')[0] ?? address) && !url.startsWith('data:')) wrong.push(`request: ${url}`)
    })
    await page.goto(address)
    await action(page)
    assert.deepEqual(wrong, [])
    assert.equal(await page.evaluate('window.harmed'), undefined, 'a script that came from a log ran')
  } finally {
    await context.close()
  }
}

/** No part of a page is wider than the window. */
export async function fits(page: Page): Promise<void> {
  const [wide, window] = [await page.evaluate('document.documentElement.scrollWidth'), page.viewportSize()?.width]
  assert.equal(wide, window, `the page is ${String(wide)} pixels wide in a window of ${window}`)
}
