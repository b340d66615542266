/** Requests for the operations of mapping, firewall, high availability, SDN and nodes, in an order in which each succeeds. */

import { type Step, step } from './schema-step.mts'

const mapping = '/cluster/mapping'
const ha = '/cluster/ha'
const sdn = '/cluster/sdn'
const node = '/nodes/{node}'
const vmFirewall = `${node}/qemu/{vmid}/firewall`
const containerFirewall = `${node}/lxc/{vmid}/firewall`
const fabrics = `${sdn}/fabrics`
const openfabric = { protocol: 'openfabric' }
const rule = { type: 'in', action: 'ACCEPT', macro: 'SSH', enable: 1 }
const forward = { type: 'forward', action: 'ACCEPT' }

/** Values for the paths of reading operations. */
export const CLUSTER_USUAL: Record<string, string> = {
  id: 'm1',
  sid: 'vm:100',
  rule: 'r1',
  zone: 'z1',
  vnet: 'v1',
  subnet: 'z1-10.8.0.0-24',
  controller: 'c1',
  fabric_id: 'm1',
  node_id: 'pve',
  ipam: 'pve',
  iface: 'vmbr0',
  group: 'g1',
  pos: '0',
  name: 'n1',
  cidr: '10.0.0.0/8',
}

const firewallOf = (path: string): Step[] => [
  step(`POST ${path}/rules`, rule),
  step(`POST ${path}/aliases`, { name: 'n1', cidr: '10.0.0.1' }),
  step(`POST ${path}/ipset`, { name: 'n1' }),
  step(`POST ${path}/ipset/{name}`, { cidr: '10.0.0.0/8' }),
]

/** What reading operations need to be there. */
export const CLUSTER_READS: Step[] = [
  step(`POST ${mapping}/pci`, {
    id: 'm1',
    description: 'x',
    map: ['node=pve,id=1af4:1041,path=0000:01:00.0'],
  }),
  step(`POST ${mapping}/usb`, { id: 'm1', description: 'x', map: ['node=pve,id=0627:0001'] }),
  step(`POST ${mapping}/dir`, { id: 'm1', description: 'x', map: ['node=pve,path=/tmp'] }),
  ...firewallOf('/cluster/firewall'),
  ...firewallOf(vmFirewall),
  step('POST /cluster/firewall/groups', { group: 'g1' }),
  step('POST /cluster/firewall/groups/{group}', rule),
  step(`POST ${node}/firewall/rules`, rule),
  step('POST /cluster/backup', { id: 'm1', all: 1, schedule: 'daily', 'prune-backups': 'keep-last=3' }),
  step('POST /cluster/acme/plugins', { id: 'm1', type: 'dns', api: 'acmedns', data: 'YT1i' }),
  step('POST /cluster/metrics/server/{id}', { type: 'graphite', server: 'a.test', port: 2003 }),
  step(`POST ${ha}/resources`, { sid: 100 }),
  step(`POST ${ha}/rules`, { rule: 'r1', type: 'node-affinity', nodes: 'pve', resources: 'vm:100' }),
  step(`POST ${sdn}/zones`, { zone: 'z1', type: 'simple', ipam: 'pve' }),
  step(`POST ${sdn}/vnets`, { vnet: 'v1', zone: 'z1' }),
  step(`POST ${sdn}/vnets/{vnet}/subnets`, { subnet: '10.8.0.0/24', type: 'subnet', gateway: '10.8.0.1' }),
  step(`POST ${sdn}/controllers`, { controller: 'c1', type: 'evpn', asn: 65_000, peers: '10.0.0.1' }),
  step(`POST ${fabrics}/fabric`, { id: 'm1', ...openfabric, ip_prefix: '10.5.0.0/16' }),
  step(`POST ${fabrics}/node/{fabric_id}`, { node_id: 'pve', ...openfabric, ip: '10.5.0.1' }),
  step(`PUT ${sdn}`),
  step(`POST ${sdn}/vnets/{vnet}/firewall/rules`, forward),
]

const changesOf = (path: string): Step[] => [
  step(`PUT ${path}/options`, { enable: 1 }),
  step(`POST ${path}/rules`, rule),
  step(`PUT ${path}/rules/{pos}`, { comment: 'x' }),
  step(`DELETE ${path}/rules/{pos}`),
]

const namesOf = (path: string): Step[] => [
  step(`POST ${path}/aliases`, { name: 'n2', cidr: '10.0.0.2' }),
  step(`PUT ${path}/aliases/{name}`, { cidr: '10.0.0.3' }, { at: { name: 'n2' } }),
  step(`DELETE ${path}/aliases/{name}`, {}, { at: { name: 'n2' } }),
  step(`POST ${path}/ipset`, { name: 'n2' }),
  step(`POST ${path}/ipset/{name}`, { cidr: '10.1.0.0/16' }, { at: { name: 'n2' } }),
  step(`PUT ${path}/ipset/{name}/{cidr}`, { comment: 'x' }, { at: { name: 'n2', cidr: '10.1.0.0/16' } }),
  step(`DELETE ${path}/ipset/{name}/{cidr}`, {}, { at: { name: 'n2', cidr: '10.1.0.0/16' } }),
  step(`DELETE ${path}/ipset/{name}`, {}, { at: { name: 'n2' } }),
]

const at = (values: Record<string, string>): { at: Record<string, string> } => ({ at: values })

const mappingWrites = (kind: string, entry: string): Step[] => [
  step(`POST ${mapping}/${kind}`, { id: 'm2', map: [entry] }),
  step(`PUT ${mapping}/${kind}/{id}`, { map: [entry], description: 'x' }, at({ id: 'm2' })),
  step(`DELETE ${mapping}/${kind}/{id}`, {}, at({ id: 'm2' })),
]

export const CLUSTER_WRITES: Step[] = [
  ...mappingWrites('pci', 'node=pve,id=1af4:1041,path=0000:01:00.0'),
  ...mappingWrites('usb', 'node=pve,id=0627:0001'),
  ...mappingWrites('dir', 'node=pve,path=/tmp'),
  step('PUT /cluster/options', { keyboard: 'de' }),
  step('POST /cluster/backup', { id: 'm2', vmid: '100', schedule: 'daily' }),
  step('PUT /cluster/backup/{id}', { comment: 'x' }, at({ id: 'm2' })),
  step('DELETE /cluster/backup/{id}', {}, at({ id: 'm2' })),
  step('POST /cluster/acme/plugins', { id: 'm2', type: 'dns', api: 'acmedns', data: 'YT1i' }),
  step('PUT /cluster/acme/plugins/{id}', { disable: 1 }, at({ id: 'm2' })),
  step('DELETE /cluster/acme/plugins/{id}', {}, at({ id: 'm2' })),
  step(
    'POST /cluster/metrics/server/{id}',
    { type: 'influxdb', server: 'b.test', port: 8089 },
    at({ id: 'm2' }),
  ),
  step('PUT /cluster/metrics/server/{id}', { server: 'c.test', port: 8089 }, at({ id: 'm2' })),
  step('DELETE /cluster/metrics/server/{id}', {}, at({ id: 'm2' })),
  step(`POST ${node}/startall`, { vms: '100' }),
  step(`POST ${node}/stopall`, { vms: '999' }),
  ...['/cluster/firewall', `${node}/firewall`, vmFirewall, containerFirewall].flatMap(changesOf),
  ...['/cluster/firewall', vmFirewall, containerFirewall].flatMap(namesOf),
  step('POST /cluster/firewall/groups', { group: 'g2' }),
  step('POST /cluster/firewall/groups/{group}', rule, at({ group: 'g2' })),
  step('PUT /cluster/firewall/groups/{group}/{pos}', { comment: 'x' }, at({ group: 'g2', pos: '0' })),
  step('DELETE /cluster/firewall/groups/{group}/{pos}', {}, at({ group: 'g2', pos: '0' })),
  step('DELETE /cluster/firewall/groups/{group}', {}, at({ group: 'g2' })),
  step(`POST ${sdn}/zones`, { zone: 'z2', type: 'simple' }),
  step(`PUT ${sdn}/zones/{zone}`, { mtu: 1400 }, at({ zone: 'z2' })),
  step(`POST ${sdn}/vnets`, { vnet: 'v2', zone: 'z2' }),
  step(`PUT ${sdn}/vnets/{vnet}`, { alias: 'x' }, at({ vnet: 'v2' })),
  step(`POST ${sdn}/vnets/{vnet}/subnets`, { subnet: '10.9.0.0/24', type: 'subnet' }, at({ vnet: 'v2' })),
  step(
    `PUT ${sdn}/vnets/{vnet}/subnets/{subnet}`,
    { gateway: '10.9.0.1' },
    at({ vnet: 'v2', subnet: 'z2-10.9.0.0-24' }),
  ),
  step(`DELETE ${sdn}/vnets/{vnet}/subnets/{subnet}`, {}, at({ vnet: 'v2', subnet: 'z2-10.9.0.0-24' })),
  step(`DELETE ${sdn}/vnets/{vnet}`, {}, at({ vnet: 'v2' })),
  step(`DELETE ${sdn}/zones/{zone}`, {}, at({ zone: 'z2' })),
  step(`POST ${sdn}/controllers`, { controller: 'c2', type: 'bgp', asn: 1, peers: '10.0.0.1', node: 'pve' }),
  step(`PUT ${sdn}/controllers/{controller}`, { asn: 2 }, at({ controller: 'c2' })),
  step(`DELETE ${sdn}/controllers/{controller}`, {}, at({ controller: 'c2' })),
  step(`PUT ${sdn}`),
  step(`POST ${sdn}/lock`),
  step(`DELETE ${sdn}/lock`, { force: '1' }),
  step(`POST ${sdn}/rollback`),
  step(`POST ${fabrics}/fabric`, { id: 'm2', protocol: 'ospf', area: '0', ip_prefix: '10.6.0.0/16' }),
  step(`PUT ${fabrics}/fabric/{id}`, { protocol: 'ospf', area: '1' }, at({ id: 'm2' })),
  step(
    `POST ${fabrics}/node/{fabric_id}`,
    { node_id: 'pve', protocol: 'ospf', ip: '10.6.0.1' },
    at({ fabric_id: 'm2' }),
  ),
  step(
    `PUT ${fabrics}/node/{fabric_id}/{node_id}`,
    { protocol: 'ospf', ip: '10.6.0.2' },
    at({ fabric_id: 'm2' }),
  ),
  step(`DELETE ${fabrics}/node/{fabric_id}/{node_id}`, {}, at({ fabric_id: 'm2' })),
  step(`DELETE ${fabrics}/fabric/{id}`, {}, at({ id: 'm2' })),
  step(`PUT ${sdn}/vnets/{vnet}/firewall/options`, { enable: 1 }),
  step(`POST ${sdn}/vnets/{vnet}/firewall/rules`, forward),
  step(`PUT ${sdn}/vnets/{vnet}/firewall/rules/{pos}`, { comment: 'x' }),
  step(`DELETE ${sdn}/vnets/{vnet}/firewall/rules/{pos}`),
  step(`PUT ${ha}/resources/{sid}`, { max_restart: 2 }),
  step(`POST ${ha}/resources/{sid}/migrate`, { node: 'pve2' }),
  step(`POST ${ha}/resources/{sid}/relocate`, { node: 'pve2' }),
  step(`POST ${ha}/rules`, {
    rule: 'r2',
    type: 'resource-affinity',
    affinity: 'positive',
    resources: 'vm:100',
    disable: 1,
  }),
  step(`PUT ${ha}/rules/{rule}`, { type: 'resource-affinity', comment: 'x' }, at({ rule: 'r2' })),
  step(`DELETE ${ha}/rules/{rule}`, {}, at({ rule: 'r2' })),
  step(`DELETE ${ha}/resources/{sid}`),
  step(`POST ${ha}/resources`, { sid: 100 }),
  step(`PUT ${node}/dns`, { search: 'x.test' }),
  step(`POST ${node}/hosts`, { data: 'x' }),
  step(`PUT ${node}/time`, { timezone: 'UTC' }),
  step(`PUT ${node}/config`, { description: 'x' }),
  step(`POST ${node}/network`, { iface: 'vmbr8', type: 'bridge' }),
  step(`PUT ${node}/network/{iface}`, { type: 'bridge', mtu: 1500 }, at({ iface: 'vmbr8' })),
  step(`DELETE ${node}/network/{iface}`, {}, at({ iface: 'vmbr8' })),
  step(`PUT ${node}/network`),
  step(`DELETE ${node}/network`),
]
