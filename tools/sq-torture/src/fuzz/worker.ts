/** The process that fuzzes ranges of cases. */
import { Fuzzer } from './fuzz.ts'
import { fuzzJobs } from './jobs.ts'

const fuzzer = await Fuzzer.create()

fuzzJobs.serve((job) => fuzzer.run(job))
