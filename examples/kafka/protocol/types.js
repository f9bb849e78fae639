/**
 * The types of fields, of which the tables of the calls are made. A type reads and writes a value in a version of its
 * call. `Written` is what an answer may be made of: fields that have a default can be left out there.
 */
import { ProtocolError } from './bytes.js'

/** @typedef {import('./bytes.js').Source} Source */
/** @typedef {import('./bytes.js').Sink} Sink */

/**
 * @template Read
 * @template [Written=Read]
 * @typedef {{
 *   read: (source: Source, version: number) => Read
 *   write: (sink: Sink, value: Written, version: number) => void
 * }} Type
 */

/**
 * A field that some versions lack, or that an answer may leave out.
 *
 * @template Read
 * @template [Written=Read]
 * @typedef {Type<Read, Written> & { from: number, to: number, otherwise: Read & Written }} Defaulted
 */

/** A field of any type: what it writes is checked where its struct is used. @typedef {Type<unknown, never> & { from?: number, to?: number, otherwise?: unknown }} Field */
/** @typedef {Record<string, Field>} Fields */
/** @template T @typedef {T extends Type<infer Read, never> ? Read : never} ReadOf */
/** @template T @typedef {T extends Type<unknown, infer Written> ? Written : never} WrittenOf */
/** @template {Fields} F @typedef {{ [K in keyof F]: F[K] extends { otherwise: unknown } ? K : never }[keyof F]} Optional */
/** @template {Fields} F @typedef {{ [K in keyof F]: ReadOf<F[K]> }} ReadStruct */
/**
 * @template {Fields} F
 * @typedef {{ [K in Exclude<keyof F, Optional<F>>]: WrittenOf<F[K]> } & { [K in Optional<F>]?: WrittenOf<F[K]> }} WrittenStruct
 */

/** @type {Type<number>} */
export const int8 = { read: (source) => source.int8(), write: (sink, value) => sink.int8(value) }
/** @type {Type<number>} */
export const int16 = { read: (source) => source.int16(), write: (sink, value) => sink.int16(value) }
/** @type {Type<number>} */
export const int32 = { read: (source) => source.int32(), write: (sink, value) => sink.int32(value) }
/** @type {Type<bigint>} */
export const int64 = { read: (source) => source.int64(), write: (sink, value) => sink.int64(value) }
/** @type {Type<boolean>} */
export const bool = { read: (source) => source.int8() !== 0, write: (sink, value) => sink.int8(value ? 1 : 0) }

/** @type {Type<string | null>} */
export const nullableString = {
  read(source) {
    const length = source.int16()
    return length === -1 ? null : source.take(length).toString()
  },
  write(sink, value) {
    if (value === null) return sink.int16(-1)
    const bytes = Buffer.from(value)
    sink.int16(bytes.length)
    sink.bytes(bytes)
  },
}
export const string = required(nullableString)

/**
 * A view on the request.
 *
 * @type {Type<Buffer | null, Uint8Array | null>}
 */
export const nullableBytes = {
  read(source) {
    const length = source.int32()
    return length === -1 ? null : source.take(length)
  },
  write(sink, value) {
    sink.int32(value === null ? -1 : value.length)
    if (value !== null) sink.bytes(value)
  },
}
const view = required(nullableBytes)

/**
 * A copy of the bytes, so that keeping them does not keep the whole request.
 *
 * @type {Type<Buffer, Uint8Array>}
 */
export const bytes = {
  read: (source, version) => Buffer.from(view.read(source, version)),
  write: (sink, value, version) => view.write(sink, value, version),
}

/**
 * Batches of records, one after another. They are sent from where they are, and come as one view on the message.
 *
 * @type {Type<Buffer[], readonly Uint8Array[]>}
 */
export const records = {
  read: (source, version) => [view.read(source, version)],
  write(sink, parts) {
    sink.int32(parts.reduce((sum, { length }) => sum + length, 0))
    for (const part of parts) sink.bytes(part)
  },
}

/** A string of the versions with tagged fields: its length plus one, as a variable-length number. @type {Type<string>} */
export const compactString = {
  read(source) {
    return source.take(source.varint() - 1).toString()
  },
  write(sink, value) {
    const encoded = Buffer.from(value)
    sink.varint(encoded.length + 1)
    sink.bytes(encoded)
  },
}

/**
 * The fields that newer programs may add at the end of a struct. They are skipped, and none is written.
 *
 * @type {Type<null>}
 */
export const taggedFields = {
  read(source) {
    for (let left = source.countOf(source.varint()); left > 0; left--) {
      source.varint()
      source.take(source.varint())
    }
    return null
  },
  write: (sink) => sink.varint(0),
}

/**
 * @template Read, Written
 * @param {Type<Read, Written>} element
 * @returns {Type<Read[] | null, readonly Written[] | null>}
 */
export function nullableArray(element) {
  return {
    read(source, version) {
      const count = source.int32()
      return count === -1 ? null : elementsOf(element, source, count, version)
    },
    write(sink, values, version) {
      sink.int32(values === null ? -1 : values.length)
      for (const value of values ?? []) element.write(sink, value, version)
    },
  }
}

/**
 * @template Read, Written
 * @param {Type<Read, Written>} element
 */
export function array(element) {
  return required(nullableArray(element))
}

/**
 * @template Read, Written
 * @param {Type<Read, Written>} element
 * @returns {Type<Read[], readonly Written[]>}
 */
export function compactArray(element) {
  return {
    read: (source, version) => elementsOf(element, source, source.varint() - 1, version),
    write(sink, values, version) {
      sink.varint(values.length + 1)
      for (const value of values) element.write(sink, value, version)
    },
  }
}

/**
 * A group of fields, one after another. Writing throws a `TypeError` if one is missing that has no default.
 *
 * @template {Fields} F
 * @param {F} fields
 * @returns {Type<ReadStruct<F>, WrittenStruct<F>>}
 */
export function struct(fields) {
  const entries = Object.entries(fields)
  return {
    read(source, version) {
      /** TypeScript cannot follow that it gets each field of F. @type {any} */
      const values = {}
      for (const [name, field] of entries) {
        values[name] = isIn(field, version) ? field.read(source, version) : otherwise(name, field)
      }
      return values
    },
    write(sink, /** @type {Record<string, unknown>} */ values, version) {
      for (const [name, field] of entries) {
        if (!isIn(field, version)) continue
        const { [name]: value = otherwise(name, field) } = values
        // Nor that this is the value of this field.
        Reflect.apply(field.write, field, [sink, value, version])
      }
    },
  }
}

/**
 * A field that only the versions from `from` on have. Where it is absent, a reader gets `value`, and a writer may leave
 * it out.
 *
 * @template Read, Written
 * @param {number} from
 * @param {Type<Read, Written>} type
 * @param {Read & Written} value
 * @returns {Defaulted<Read, Written>}
 */
export function since(from, type, value) {
  return { ...type, from, to: Infinity, otherwise: value }
}

/**
 * The same for a field that ends with a version, too.
 *
 * @template Read, Written
 * @param {{ from: number, to: number }} versions
 * @param {Type<Read, Written>} type
 * @param {Read & Written} value
 * @returns {Defaulted<Read, Written>}
 */
export function between({ from, to }, type, value) {
  return { ...type, from, to, otherwise: value }
}

/**
 * A field of all versions that a writer may leave out.
 *
 * @template Read, Written
 * @param {Type<Read, Written>} type
 * @param {Read & Written} value
 */
export function optional(type, value) {
  return since(0, type, value)
}

/**
 * A field whose type differs from a version on.
 *
 * @template Read, Written
 * @param {number} version
 * @param {Type<Read, Written>} older
 * @param {Type<Read, Written>} newer
 * @returns {Type<Read, Written>}
 */
export function until(version, older, newer) {
  return {
    read: (source, of) => (of < version ? older : newer).read(source, of),
    write: (sink, value, of) => (of < version ? older : newer).write(sink, value, of),
  }
}

/**
 * @param {Field} field
 * @param {number} version
 */
function isIn({ from = 0, to = Infinity }, version) {
  return version >= from && version <= to
}

/**
 * @param {string} name
 * @param {Field} field
 */
function otherwise(name, field) {
  if (!('otherwise' in field)) throw new TypeError(`the field ${name} is missing`)
  return field.otherwise
}

/**
 * @template Read, Written
 * @param {Type<Read | null, Written | null>} type
 * @returns {Type<Read, Written>}
 */
function required(type) {
  return {
    read(source, version) {
      const value = type.read(source, version)
      if (value === null) throw new ProtocolError('a field is null that cannot be')
      return value
    },
    write: type.write,
  }
}

/**
 * @template Read, Written
 * @param {Type<Read, Written>} element
 * @param {Source} source
 * @param {number} count
 * @param {number} version
 */
function elementsOf(element, source, count, version) {
  const values = []
  for (let left = source.countOf(count); left > 0; left--) values.push(element.read(source, version))
  return values
}
