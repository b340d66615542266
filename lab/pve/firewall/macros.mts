/** Macros of firewall rules: what each stands for, as protocol, ports and, rarely, source ports (PVE/Firewall.pm). */

const MACROS: Record<string, string> = {
  Amanda: 'udp/10080, tcp/10080',
  Auth: 'tcp/113',
  BGP: 'tcp/179',
  BitTorrent: 'tcp/6881:6889, udp/6881',
  BitTorrent32: 'tcp/6881:6999, udp/6881',
  Ceph: 'tcp/6789, tcp/3300, tcp/6800:7300',
  CVS: 'tcp/2401',
  Citrix: 'tcp/1494, udp/1604, tcp/2598',
  DAAP: 'tcp/3689, udp/3689',
  DCC: 'tcp/6277',
  DHCPfwd: 'udp/67:68 from 67:68',
  DNS: 'udp/53, tcp/53',
  Distcc: 'tcp/3632',
  FTP: 'tcp/21',
  Finger: 'tcp/79',
  GNUnet: 'tcp/2086, udp/2086, tcp/1080, udp/1080',
  GRE: '47',
  Git: 'tcp/9418',
  HKP: 'tcp/11371',
  HTTP: 'tcp/80',
  HTTPS: 'tcp/443',
  ICPV2: 'udp/3130',
  ICQ: 'tcp/5190',
  IMAP: 'tcp/143',
  IMAPS: 'tcp/993',
  IPIP: '94',
  IPsec: 'udp/500 from 500, 50',
  IPsecah: 'udp/500 from 500, 51',
  IPsecnat: 'udp/500, udp/4500, 50',
  IRC: 'tcp/6667',
  Jetdirect: 'tcp/9100',
  L2TP: 'udp/1701',
  LDAP: 'tcp/389',
  LDAPS: 'tcp/636',
  MSNP: 'tcp/1863',
  MSSQL: 'tcp/1433',
  Mail: 'tcp/25, tcp/465, tcp/587',
  MDNS: 'udp/5353',
  Munin: 'tcp/4949',
  MySQL: 'tcp/3306',
  NNTP: 'tcp/119',
  NNTPS: 'tcp/563',
  NTP: 'udp/123',
  OSPF: '89',
  OpenVPN: 'udp/1194',
  PCA: 'udp/5632, tcp/5631',
  PMG: 'tcp/8006',
  POP3: 'tcp/110',
  POP3S: 'tcp/995',
  PPtP: '47, tcp/1723',
  Ping: 'icmp/echo-request',
  PostgreSQL: 'tcp/5432',
  Printer: 'tcp/515',
  RDP: 'tcp/3389',
  RIP: 'udp/520',
  RNDC: 'tcp/953',
  Razor: 'tcp/2703',
  Rdate: 'tcp/37',
  Rsync: 'tcp/873',
  SANE: 'tcp/6566',
  SMB: 'udp/135, udp/137:139, udp/1024:65535 from 137, tcp/135',
  SMBswat: 'tcp/901',
  SMTP: 'tcp/25',
  SMTPS: 'tcp/465',
  SNMP: 'udp/161:162, tcp/161',
  SPAMD: 'tcp/783',
  SSH: 'tcp/22',
  SVN: 'tcp/3690',
  SixXS: 'tcp/3874, udp/3740, 41, udp/5072',
  SPICEproxy: 'tcp/3128',
  Squid: 'tcp/3128',
  Submission: 'tcp/587',
  Syslog: 'udp/514, tcp/514',
  TFTP: 'udp/69',
  Telnet: 'tcp/23',
  Telnets: 'tcp/992',
  Time: 'tcp/37',
  Trcrt: 'udp/33434:33524, icmp/echo-request',
  VNC: 'tcp/5900:5999',
  VNCL: 'tcp/5500',
  Web: 'tcp/80, tcp/443',
  Webcache: 'tcp/8080',
  Webmin: 'tcp/10000',
  Whois: 'tcp/43',
}

/** Those that are others, or only there, for IPv6. */
const MACROS_6: Record<string, string> = {
  Ping: 'icmpv6/echo-request',
  NeighborDiscovery:
    'icmpv6/router-solicitation, icmpv6/router-advertisement, icmpv6/neighbor-solicitation, icmpv6/neighbor-advertisement',
  DHCPv6: 'udp/546:547 from 546:547',
  Trcrt: 'udp/33434:33524, icmpv6/echo-request',
}

/** Part of a macro: one rule without its addresses. */
interface MacroRule {
  proto: string
  dport: string | undefined
  sport: string | undefined
}

function parse(text: string): MacroRule[] {
  return text.split(', ').map(part => {
    const [target = '', sport] = part.split(' from ')
    const [proto = '', dport] = target.split('/')
    return { proto, dport, sport }
  })
}

export const MACRO_NAMES = [...new Set([...Object.keys(MACROS), ...Object.keys(MACROS_6)])].sort()

/** Finds a macro's own spelling, whatever case a client wrote. */
export function macroNamed(name: string): string | undefined {
  return MACRO_NAMES.find(each => each.toLowerCase() === name.toLowerCase())
}

export function macroRules(name: string, ipversion: number | undefined): MacroRule[] {
  const six = MACROS_6[name]
  const four = MACROS[name]
  return parse((ipversion === 6 ? (six ?? four) : (four ?? six)) ?? '')
}
