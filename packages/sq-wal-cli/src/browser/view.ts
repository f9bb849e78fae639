/** A view of the live page. */
export interface View {
  readonly root: HTMLElement
  /** Ends what the view does in the background. */
  stop(): void
}
