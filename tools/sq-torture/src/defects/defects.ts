/**
 * The seeded defects. Each breaks one promise of the log in one place. There is a file for each folder of the sources,
 * and several for the writer. A change that removes the text of a defect must give the defect a new text, or remove it
 * with its promise.
 */
import type { Defect } from './defect.ts'
import { ACTIVE_SEGMENT_DEFECTS } from './seeded/active-segment.ts'
import { ARCHIVE_DEFECTS } from './seeded/archive.ts'
import { ARCHIVING_DEFECTS } from './seeded/archiving.ts'
import { CHECKING_DEFECTS } from './seeded/checking.ts'
import { CHECKPOINT_DEFECTS } from './seeded/checkpoint.ts'
import { COMMITS_DEFECTS } from './seeded/commits.ts'
import { DIRECTORY_DEFECTS } from './seeded/directory.ts'
import { FILE_SYSTEM_DEFECTS } from './seeded/file-system.ts'
import { FORMAT_DEFECTS } from './seeded/format.ts'
import { READING_DEFECTS } from './seeded/reading.ts'
import { OBJECT_STORES_DEFECTS } from './seeded/object-stores.ts'
import { RECOVERY_DEFECTS } from './seeded/recovery.ts'
import { RECYCLED_FILES_DEFECTS } from './seeded/recycled-files.ts'
import { REMOVAL_DEFECTS } from './seeded/removal.ts'
import { SEGMENTS_DEFECTS } from './seeded/segments.ts'
import { SHARED_DEFECTS } from './seeded/shared.ts'
import { TIERED_DEFECTS } from './seeded/tiered.ts'

export const DEFECTS: readonly Defect[] = [
  ...COMMITS_DEFECTS,
  ...ACTIVE_SEGMENT_DEFECTS,
  ...DIRECTORY_DEFECTS,
  ...RECOVERY_DEFECTS,
  ...REMOVAL_DEFECTS,
  ...CHECKPOINT_DEFECTS,
  ...READING_DEFECTS,
  ...SHARED_DEFECTS,
  ...SEGMENTS_DEFECTS,
  ...RECYCLED_FILES_DEFECTS,
  ...FORMAT_DEFECTS,
  ...CHECKING_DEFECTS,
  ...FILE_SYSTEM_DEFECTS,
  ...ARCHIVING_DEFECTS,
  ...ARCHIVE_DEFECTS,
  ...TIERED_DEFECTS,
  ...OBJECT_STORES_DEFECTS,
]
