// Puts all packages into the bundle, as for a server that is deployed as one file.
const output = { entryFileNames: 'bundle.mjs' }

export default { ssr: { noExternal: true }, build: { rollupOptions: { output } } }
