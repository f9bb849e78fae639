import { Writable } from 'node:stream'
import { stripVTControlCharacters } from 'node:util'
import { describe, expect, it } from 'vitest'
import { ManualClock } from '@sq/sim'
import { progressBar } from './progress.ts'

/** What a bar writes to a terminal, or to a pipe. */
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

  /** All that was written since this was asked last, without the codes that move the cursor. */
  text(): string {
    const text = stripVTControlCharacters(this.#unseen)
    this.#unseen = ''
    return text
  }
}

const bytes = (amount: number): string => `${amount} B`

describe('a bar', () => {
  it('is shown after a second, with rate and time left', async () => {
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

  it('never goes past the end', async () => {
    const [screen, clock] = [new Screen(true), new ManualClock()]
    const bar = await progressBar('copying', { total: 400, format: bytes, clock, stream: screen })
    clock.advance(2000)
    bar.reached(1000)
    expect(screen.text()).toMatch(/^copying \[=+\] 100 % {2}400 B {2}200 B\/s {2}0 s le/)
    bar.stop()
  })

  it('shows no control character of what it is about', async () => {
    const [screen, clock] = [new Screen(true), new ManualClock()]
    const bar = await progressBar('copying \u0007\u202E', { total: 400, format: bytes, clock, stream: screen })
    clock.advance(2000)
    bar.reached(100)
    expect(screen.text()).toMatch(/^copying \\u0007\\u202e \[/)
    bar.stop()
  })

  it('tells only how much and how fast where the total is not known', async () => {
    const [screen, clock] = [new Screen(true), new ManualClock()]
    const bar = await progressBar('copying', { total: null, format: bytes, clock, stream: screen })
    clock.advance(2000)
    bar.reached(100)
    expect(screen.text()).toMatch(/^copying {2}100 B {2}50 B\/s/)
    bar.stop()
  })

  it('is never shown where there is no terminal', async () => {
    const [screen, clock] = [new Screen(false), new ManualClock()]
    const bar = await progressBar('copying', { total: 400, format: bytes, clock, stream: screen })
    clock.advance(2000)
    bar.reached(100)
    bar.stop()
    expect(screen.text()).toBe('')
  })
})
