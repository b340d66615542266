/** Operations that list what is below a path. */

import { nodeName, type Parameters, vmid } from './parameters.mts'
import { anyone, type Permission } from './permission.mts'
import { type Route, route } from './route.mts'

function parametersIn(path: string): Parameters {
  return {
    ...(path.includes('{node}') && { node: nodeName }),
    ...(path.includes('{vmid}') && { vmid }),
  }
}

/** Declares the index of a path. @param key key of each name: `name`, or what the path's handler calls it. */
export function directory(
  path: string,
  names: readonly string[],
  key = 'name',
  permission: Permission = anyone,
): Route {
  return route({
    method: 'GET',
    path,
    permission,
    parameters: parametersIn(path),
    handle: () => names.map(name => ({ [key]: name })),
  })
}
