import { Writable } from 'node:stream'
import { stripVTControlCharacters } from 'node:util'
import { describe, expect, it } from 'vitest'
import { ManualClock } from '@sq/sim'
import { progressBar } from './progress.ts'

/** The output of a bar, to a terminal or to a pipe. */
class Screen extends Writable {
  readonly isTTY: boolean
  #unseen = ''

  constructor(isTTY: boolean) {
    super()
    this.isTTY = isTTY
  }

  override _write(bytes: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#unseen += bytes.toString()
    done()
  }

  cursorTo(): void {}
  clearLine(): void {}

  /** Everything written since the last call, without the codes that move the cursor. */
  text(): string {
    const text = stripVTControlCharacters(this.#unseen)
    this.#unseen = ''
    return text
  }
}

const bytes = (amount: number): string => `${amount} B`

describe('a bar', () => {
  it('a bar is shown after a second, with rate and remaining time', async () => {
    const [screen, clock] = [new Screen(true), new ManualClock()]
    const bar = await progressBar('copying', { total: 400, format: bytes, clock, stream: screen })
    clock.advance(999)
    bar.reached(50)
    expect(screen.text()).toBe('')
    clock.advance(1001)
    bar.reached(100)
    expect(screen.text()).toMatch(/^copying \[=+-+\] 25 % {2}100 B {2}50 B\/s {2}6 s left/)
    bar.stop()
  })

  it('a bar never exceeds its total', async () => {
    const [screen, clock] = [new Screen(true), new ManualClock()]
    const bar = await progressBar('copying', { total: 400, format: bytes, clock, stream: screen })
    clock.advance(2000)
    bar.reached(1000)
    expect(screen.text()).toMatch(/^copying \[=+\] 100 % {2}400 B {2}200 B\/s {2}0 s le/)
    bar.stop()
  })

  it('a bar escapes control characters in its title', async () => {
    const [screen, clock] = [new Screen(true), new ManualClock()]
    const bar = await progressBar('copying \u0007\u202E', { total: 400, format: bytes, clock, stream: screen })
    clock.advance(2000)
    bar.reached(100)
    expect(screen.text()).toMatch(/^copying \\u0007\\u202e \[/)
    bar.stop()
  })

  it('without a total, a bar shows only amount and rate', async () => {
    const [screen, clock] = [new Screen(true), new ManualClock()]
    const bar = await progressBar('copying', { total: null, format: bytes, clock, stream: screen })
    clock.advance(2000)
    bar.reached(100)
    expect(screen.text()).toMatch(/^copying {2}100 B {2}50 B\/s/)
    bar.stop()
  })

  it('a bar is never shown without a terminal', async () => {
    const [screen, clock] = [new Screen(false), new ManualClock()]
    const bar = await progressBar('copying', { total: 400, format: bytes, clock, stream: screen })
    clock.advance(2000)
    bar.reached(100)
    bar.stop()
    expect(screen.text()).toBe('')
  })
})
