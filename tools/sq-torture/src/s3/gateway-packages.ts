/** Fetches Ceph's object gateway with everything it needs from the Debian mirror of this machine. */
import { debianPackages, NoPackagesError } from '../debian-packages.ts'

/**
 * The releases of Debian to look in. Older ones have a Ceph that ignores the condition when an upload in parts is
 * completed.
 */
const SUITES = ['forky', 'sid']
const PACKAGES = ['radosgw', 'ceph-mon', 'ceph-osd']

/** The gateway cannot be had here. The message says why, in one line. */
export class NoGatewayError extends Error {
  override readonly name = 'NoGatewayError'
}

/** The folder in which the packages are unpacked. Rejects with `NoGatewayError`. */
export async function gatewayPackages(signal: AbortSignal): Promise<string> {
  try {
    return await debianPackages({ name: 'sq-object-gateway', packages: PACKAGES, suites: SUITES }, signal)
  } catch (error) {
    throw error instanceof NoPackagesError ? new NoGatewayError(error.message) : error
  }
}
