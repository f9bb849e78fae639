/** The process that fuzzes: a run of cases at a time. */
import { Fuzzer } from './fuzz.ts'
import { fuzzJobs } from './jobs.ts'

const fuzzer = await Fuzzer.create()

fuzzJobs.serve((job) => fuzzer.run(job))
