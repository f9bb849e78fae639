/** The pages of the repository, parsed as Markdown: their code, links, headings, and the tests that they name. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import GithubSlugger from 'github-slugger'
import type { Code, Nodes, Parents, Root } from 'mdast'
import { fromMarkdown } from 'mdast-util-from-markdown'
import { toString } from 'mdast-util-to-string'
import { visit } from 'unist-util-visit'
import { ROOT } from '../source-tree.ts'

/** Folders without handwritten pages. `api` is the reference that typedoc generates. */
const MADE = new Set(['.git', '.turbo', 'api', 'coverage', 'dist', 'node_modules'])

export interface Page {
  /** Path from the root, with `/`. */
  readonly path: string
  readonly text: string
  readonly tree: Root
}

/** An item on a page, with its position: `README.md:12`. */
interface OnPage {
  readonly at: string
}

/** A link or an image, as written: `../docs/durability.md#faults`. */
export interface Link extends OnPage {
  readonly target: string
}

/** A block of code between fences. */
export interface CodeBlock extends OnPage {
  readonly language: string
  readonly code: string
  /** The file that the comment before it, `<!-- stands in: PATH -->`, names; from the root. */
  readonly standsIn: string | null
  /** True after the comment `<!-- differs each time -->`. */
  readonly differs: boolean
  /** The next block if it is `text` and follows directly: the output of this one. */
  readonly output: string | null
}

/** The name of a test: emphasis after a link to its file. */
export interface NamedTest extends OnPage {
  readonly name: string
  /** The target of the link. */
  readonly file: string
}

/** Every page, by path. */
export function pages(): Page[] {
  return markdownFiles('').map((path) => page(path))
}

/** The page with a path. */
export function page(path: string): Page {
  const text = readFileSync(join(ROOT, path), 'utf8')
  return { path, text, tree: fromMarkdown(text) }
}

function markdownFiles(folder: string): string[] {
  const entries = readdirSync(join(ROOT, folder), { withFileTypes: true }).filter(({ name }) => !MADE.has(name))
  return entries.flatMap((entry) => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`
    if (entry.isDirectory()) return markdownFiles(path)
    return path.endsWith('.md') ? [path] : []
  })
}

/** The anchors of a page's headings, as GitHub makes them. */
export function anchors({ tree }: Page): Set<string> {
  const slugger = new GithubSlugger()
  const found = new Set<string>()
  visit(tree, 'heading', (heading) => {
    found.add(slugger.slug(toString(heading)))
  })
  return found
}

export function links(of: Page): Link[] {
  const found: Link[] = []
  visit(of.tree, (node) => {
    if (node.type === 'link' || node.type === 'image' || node.type === 'definition') {
      found.push({ target: node.url, at: place(of, node) })
    }
    if (node.type !== 'html') return
    for (const [, target = ''] of node.value.matchAll(/\b(?:href|src|srcset)="([^"]*)"/g)) {
      found.push({ target, at: place(of, node) })
    }
  })
  return found
}

export function codeBlocks(of: Page): CodeBlock[] {
  const found: CodeBlock[] = []
  visit(of.tree, 'code', (node, index = 0, parent) => {
    const comment = commentBefore(parent, index)
    const [, standsIn = null] = /^<!-- stands in: (\S+) -->$/.exec(comment) ?? []
    found.push({
      at: place(of, node),
      language: node.lang ?? '',
      code: node.value,
      standsIn,
      differs: comment === '<!-- differs each time -->',
      output: outputBehind(parent, index),
    })
  })
  return found
}

function commentBefore(parent: Parents | undefined, index: number): string {
  const before = parent?.children[index - 1]
  return before?.type === 'html' ? before.value.trim() : ''
}

function outputBehind(parent: Parents | undefined, index: number): string | null {
  const behind: Nodes | undefined = parent?.children[index + 1]
  return isOutput(behind) ? behind.value : null
}

function isOutput(node: Nodes | undefined): node is Code {
  return node?.type === 'code' && node.lang === 'text'
}

/** Inline code. In a table, `|` is escaped with a backslash. */
export function inlineCode(of: Page): (OnPage & { readonly code: string })[] {
  const found: (OnPage & { readonly code: string })[] = []
  visit(of.tree, 'inlineCode', (node) => {
    found.push({ code: node.value.replaceAll('\\|', '|').replaceAll('\n', ' '), at: place(of, node) })
  })
  return found
}

/** The tests that a page names: in a paragraph, each emphasis after a link to a test file is the name of a test. */
export function namedTests(of: Page): NamedTest[] {
  const found: NamedTest[] = []
  visit(of.tree, 'paragraph', (paragraph) => {
    let file: string | null = null
    for (const child of paragraph.children) {
      if (child.type === 'link') file = child.url.endsWith('.test.ts') ? child.url : null
      if (child.type !== 'emphasis' || file === null) continue
      found.push({ name: toString(child).replaceAll(/\s+/g, ' '), file, at: place(of, child) })
    }
  })
  return found
}

function place({ path }: Page, node: Nodes): string {
  return `${path}:${node.position?.start.line ?? 0}`
}
