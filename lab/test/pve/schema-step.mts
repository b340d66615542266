/** One request of the tests that compare answers with Proxmox's schema. */

export interface Step {
  /** `METHOD /path/{parameter}`, as in the schema. */
  operation: string
  /** For the parameters in the path, over the usual ones. */
  at?: Record<string, string>
  body?: Record<string, unknown>
  /** With root's ticket, where a token is refused. */
  byTicket?: boolean
}

export const step = (
  operation: string,
  body: Record<string, unknown> = {},
  more: Partial<Step> = {},
): Step => ({ operation, body, ...more })
