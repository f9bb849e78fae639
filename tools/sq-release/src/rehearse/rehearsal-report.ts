/** The report of one package: its versions, its changelog, and the files of its tarball. */
import type { PackedFile, Tarball } from './tarball.ts'

export interface RehearsedPackage {
  readonly name: string
  readonly before: string
  /** Equal to `before` if the package is not released. */
  readonly after: string
  /** The entry of the changelog for this release. Empty without one. */
  readonly news: string
  readonly tarball: Tarball
}

/** The lines of the parts, separated by empty lines. */
export function reportOf({ name, before, after, news, tarball }: RehearsedPackage): string {
  const { fileName, sizeBytes, files } = tarball
  const unpackedBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0)
  return [
    `${name}  ${before === after ? `${after}, as it is` : `${before} -> ${after}`}`,
    indented(news),
    indented(`${fileName}: ${formatBytes(sizeBytes)}, unpacked ${formatBytes(unpackedBytes)} in ${files.length} files`),
    indented(fileList(files)),
  ]
    .filter((part) => part !== '')
    .join('\n\n')
}

/** One line per module: the files built from one source differ only in their extensions. */
export function fileList(files: readonly PackedFile[]): string {
  const modules = new Map<string, { endings: string[]; sizeBytes: number }>()
  for (const { path, sizeBytes } of files) {
    const [, stem = path, ending = ''] = /^(dist\/.*?)(\.d\.ts|\.js)(?:\.map)?$/.exec(path) ?? []
    const module = modules.get(stem) ?? { endings: [], sizeBytes: 0 }
    module.endings.push(ending === '' ? '' : path.slice(stem.length))
    module.sizeBytes += sizeBytes
    modules.set(stem, module)
  }
  const lines = Array.from(modules, ([stem, { endings, sizeBytes }]) => {
    const ending = endings.length > 1 ? `{${endings.join(',')}}` : endings.join('')
    return `${formatBytes(sizeBytes).padStart(13)}  ${stem}${ending}`
  })
  return lines.join('\n')
}

function formatBytes(bytes: number): string {
  return `${bytes.toLocaleString('en')} bytes`
}

function indented(text: string): string {
  return text.replaceAll(/^(?=.)/gm, '  ')
}
