/** /access/tfa: second factors of logins. The lab has no way to add one. */

import { ApiError } from '../core/errors.mts'
import { text, userId } from '../core/parameters.mts'
import { anyone, or } from '../core/permission.mts'
import { type Route, route } from '../core/route.mts'

const mayLook = or({ kind: 'self' }, { kind: 'group-of-user', privileges: ['User.Modify', 'Sys.Audit'] })

export const accessTfaRoutes: Route[] = [
  route({ method: 'GET', path: '/access/tfa', permission: anyone, parameters: {}, handle: () => [] }),
  route({
    method: 'GET',
    path: '/access/tfa/{userid}',
    permission: mayLook,
    parameters: { userid: userId },
    handle: () => [],
  }),
  route({
    method: 'GET',
    path: '/access/tfa/{userid}/{id}',
    permission: mayLook,
    parameters: { userid: userId, id: text },
    handle({ params }) {
      throw new ApiError(404, `No such tfa entry '${params.id}'`)
    },
  }),
]
