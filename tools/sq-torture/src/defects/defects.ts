/**
 * The seeded defects. Each breaks one promise of the log in one place. There is a file for each folder of the sources.
 * A change that removes the text of a defect must give the defect a new text, or remove it with its promise.
 */
import type { Defect } from './defect.ts'
import { CHECKING_DEFECTS } from './seeded/checking.ts'
import { FILE_SYSTEM_DEFECTS } from './seeded/file-system.ts'
import { FORMAT_DEFECTS } from './seeded/format.ts'
import { READING_DEFECTS } from './seeded/reading.ts'
import { SEGMENTS_DEFECTS } from './seeded/segments.ts'
import { SHARED_DEFECTS } from './seeded/shared.ts'
import { WRITING_DEFECTS } from './seeded/writing.ts'

export const DEFECTS: readonly Defect[] = [
  ...WRITING_DEFECTS,
  ...READING_DEFECTS,
  ...SHARED_DEFECTS,
  ...SEGMENTS_DEFECTS,
  ...FORMAT_DEFECTS,
  ...CHECKING_DEFECTS,
  ...FILE_SYSTEM_DEFECTS,
]
