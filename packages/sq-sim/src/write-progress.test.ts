import { describe, expect, it } from 'vitest'
import { systemError } from './system-error.ts'
import { WriteProgress } from './write-progress.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)
const text = (buffers: readonly Uint8Array[]): string => Buffer.concat(buffers).toString()

/** Performs a write in pieces of at most this number of bytes. */
function writeInPieces(buffers: readonly Uint8Array[], pieceBytes: number): string {
  const progress = new WriteProgress(buffers, 10, '/x')
  let written = ''
  while (!progress.done) {
    expect(progress.position).toBe(10 + written.length)
    const piece = text(progress.next()).slice(0, pieceBytes)
    written += piece
    progress.wrote(piece.length)
  }
  return written
}

describe('WriteProgress', () => {
  it.each([1, 2, 3, 4, 5, 9, 100])('continues after short writes of %i bytes', (pieceBytes) => {
    expect(writeInPieces([bytes('one'), bytes(''), bytes('two'), bytes('three')], pieceBytes)).toBe('onetwothree')
  })

  it('is done at once with nothing to write', () => {
    expect(new WriteProgress([], 0, '/x').done).toBe(true)
    expect(new WriteProgress([bytes('')], 0, '/x').done).toBe(true)
  })

  it('gives no more buffers and bytes at once than a system call takes', () => {
    const many = new WriteProgress(
      Array.from({ length: 3000 }, () => bytes('x')),
      0,
      '/x',
    )
    expect(many.next()).toHaveLength(1024)
    many.wrote(1024)
    many.wrote(1024)
    expect(many.next()).toHaveLength(952)
    const gibibyte = new Uint8Array(2 ** 30)
    const large = new WriteProgress([bytes('x'), gibibyte, gibibyte], 0, '/x')
    expect(large.next().reduce((sum, buffer) => sum + buffer.byteLength, 0)).toBe(2 ** 30)
    large.wrote(2 ** 30)
    expect(large.next().map((buffer) => buffer.byteLength)).toEqual([1, 2 ** 30 - 1])
  })

  it('looks at each buffer a bounded number of times, however many there are', () => {
    let looks = 0
    const counted = (buffer: Uint8Array): Uint8Array =>
      Object.defineProperties(buffer, {
        byteLength: { get: () => (looks++, 2) },
        subarray: { value: () => counted(bytes('xy')) },
      })
    const many = Array.from({ length: 20_000 }, () => counted(bytes('xy')))
    const progress = new WriteProgress(many, 0, '/x')
    while (!progress.done) progress.wrote(2 * progress.next().length)
    expect(progress.position).toBe(40_000)
    expect(looks).toBeLessThan(10 * many.length)
  })

  it('retries after EINTR and EAGAIN, and gives up if they repeat', () => {
    const progress = new WriteProgress([bytes('xy')], 0, '/x')
    const interrupted = systemError('EINTR', { syscall: 'write' })
    for (let i = 0; i < 15; i++) progress.failed(interrupted)
    progress.wrote(1)
    for (let i = 0; i < 15; i++) progress.failed(systemError('EAGAIN', { syscall: 'write' }))
    expect(() => progress.failed(interrupted)).toThrow(interrupted)
  })

  it('fails with EIO if the system repeatedly accepts no byte', () => {
    const progress = new WriteProgress([bytes('x')], 0, '/x')
    for (let i = 0; i < 15; i++) progress.wrote(0)
    expect(() => progress.wrote(0)).toThrow("EIO: i/o error, write '/x'")
  })

  it('fails at once with any other error', () => {
    const full = systemError('ENOSPC', { syscall: 'write' })
    expect(() => new WriteProgress([bytes('x')], 0, '/x').failed(full)).toThrow(full)
  })
})
