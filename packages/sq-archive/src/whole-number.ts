/** Checks options that are numbers. */

/** Throws a `RangeError` that names the option unless its value is a whole number in the range. */
export function checkWholeNumber(
  option: string,
  value: number,
  { least, most = Infinity }: { readonly least: number; readonly most?: number },
): void {
  const range = most === Infinity ? `${least} on` : `${least} to ${most}`
  if (!Number.isSafeInteger(value) || value < least || value > most)
    throw new RangeError(`${option} must be a whole number from ${range}: ${value}`)
}
