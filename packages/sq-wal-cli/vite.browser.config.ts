/** Bundles the script of a page into one file, which the command puts into the page: `--mode` names the page. */
import { defineConfig } from 'vite'

export default defineConfig(({ mode }) => ({
  build: {
    target: 'es2022',
    outDir: 'dist/browser',
    emptyOutDir: false,
    copyPublicDir: false,
    reportCompressedSize: false,
    lib: { entry: `src/browser/${mode}.ts`, formats: ['iife'], name: 'page', fileName: () => `${mode}.js` },
  },
  logLevel: 'warn',
}))
