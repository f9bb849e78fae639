/** Makes a page that is one file: it loads nothing, and the browser lets it load nothing. */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { ReportData } from './log-data.ts'

/** The file with the report. */
export async function reportPage(data: ReportData): Promise<string> {
  const [script, style] = await Promise.all([asset('report.js'), asset('page.css')])
  const policy = `default-src 'none'; script-src ${hashOf(script)}; style-src ${hashOf(style)}; base-uri 'none'; form-action 'none'`
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>sq-wal report</title>
<style>${style}</style>
</head>
<body>
<noscript>This report is drawn by the script that it contains. Allow scripts to see it.</noscript>
<script type="application/json" id="data">${embedded(data)}</script>
<script>${script}</script>
</body>
</html>
`
}

/** A file of the pages, as it was built. */
export function asset(name: string): Promise<string> {
  return readFile(new URL(`../browser/${name}`, import.meta.url), 'utf8')
}

/** JSON that cannot end the element that holds it, whatever is in it. */
function embedded(data: unknown): string {
  return JSON.stringify(data).replaceAll('<', String.raw`\u003c`)
}

function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
}
