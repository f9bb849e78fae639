/** Types for Kaitai Struct: its compiler comes without any, and those of its runtime do not fit an import by ESM. */
declare module 'kaitai-struct-compiler' {
  const compiler: {
    /** Resolves with the files that it makes, by name. `grammar` is the parsed YAML. */
    compile(language: string, grammar: unknown, importer: null, debugMode: boolean): Promise<Record<string, string>>
  }
  export default compiler
}

declare module 'kaitai-struct' {
  /** What a parser reads from. */
  class KaitaiStream {
    readonly size: number
    constructor(buffer: ArrayBuffer)
  }
  const runtime: { readonly KaitaiStream: typeof KaitaiStream }
  export default runtime
}
