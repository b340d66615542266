import { readFile } from 'node:fs/promises'
import { counted } from '../run/counted.mts'
import type { Reconciled } from './facts.mts'
import { type Html, html } from './html.mts'
import type { FamilyReport, Figures, ReportModel, VersionReport } from './model.mts'
import type { PoolCell, PoolMap } from './pools.mts'
import type { Run } from './runs.mts'
import type { Timeline, TimelineRow } from './timeline.mts'

const STYLE = new URL('report.css', import.meta.url)

/** Renders one page that loads nothing: no script, no font, no image. */
export async function renderReport(model: ReportModel): Promise<string> {
  const style: Html = { html: await readFile(STYLE, 'utf8') }
  return `<!doctype html>\n${page(model, style).html}\n`
}

function page(model: ReportModel, style: Html): Html {
  return html`<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>${model.site}: templates and VMs</title>
<style>
${style}</style>
</head>
<body>
<header>
<h1>${model.site}</h1>
<p>Templates, VMs and addresses on <time datetime="${model.madeAt}">${minuteOf(model.madeAt)} UTC</time></p>
</header>
<main>
${figures(model.figures)}
${attention(model.attention)}
${templates(model.families)}
${vms(model.timeline)}
${section('pools', 'Addresses', html`${model.pools.map(pool)}`)}
${runs(model.runs)}
${reconciled(model.reconciled)}
</main>
<footer><p>Made by <code>zx scripts/report.mts</code>. It shows what was so at that moment.</p></footer>
</body>
</html>`
}

function section(id: string, title: string, content: Html): Html {
  return html`<section aria-labelledby="${id}">
<h2 id="${id}">${title}</h2>
${content}
</section>`
}

function figures({
  vms,
  active,
  suspended,
  expiringSoon,
  templates,
  addressesTaken,
  addressesFree,
}: Figures): Html {
  const figure = (value: string | number, label: string): Html =>
    html`<div><dt>${label}</dt><dd>${value}</dd></div>`
  return html`<dl class="figures">
${figure(vms, 'VMs')}
${figure(active, 'active')}
${figure(suspended, 'suspended')}
${figure(expiringSoon, 'expire within 7 days')}
${figure(templates, 'families with a current version')}
${figure(`${addressesTaken} / ${compact(BigInt(addressesTaken) + addressesFree)}`, 'addresses taken')}
</dl>`
}

function attention(sentences: string[]): Html {
  if (sentences.length === 0) return html`<p class="well">Nothing needs a look.</p>`
  const items = sentences.map(sentence => html`<li>${sentence}</li>`)
  return html`<section class="attention" aria-labelledby="attention">
<h2 id="attention">Needs a look</h2>
<ul>
${items}
</ul>
</section>`
}

function templates(families: FamilyReport[]): Html {
  const none = html`<p>There are none yet: <code>zx scripts/build.mts debian</code></p>`
  const cards = html`<div class="cards">
${families.map(family)}
</div>`
  return section('templates', 'VM templates', families.length === 0 ? none : cards)
}

function family({ os, versions, retired }: FamilyReport): Html {
  return html`<article>
<h3>${os}</h3>
<ul>
${versions.map(version)}
</ul>
<p class="quiet">${retired === 0 ? 'none retired' : `${retired} retired; prune removes what nothing needs`}</p>
</article>`
}

function version({ name, channel, revoked, copies, builtAt, age, test, usedBy }: VersionReport): Html {
  const uses = usedBy.length === 0 ? 'no VM uses it' : `used by ${counted(usedBy.length, 'VM')}`
  return html`<li class="${channel}">
<p><strong class="badge ${channel}">${channel}</strong> <time datetime="${builtAt}">${age}</time></p>
<p><code>${name}</code></p>
<p class="quiet">${copies.join(', ')}; test: ${test}; ${uses}</p>
${revoked === undefined ? undefined : html`<p class="bad">revoked: ${revoked}</p>`}
</li>`
}

function vms({ now, ticks, rows }: Timeline): Html {
  if (rows.length === 0) return section('vms', 'VMs', html`<p>There are none.</p>`)
  const marks = ticks.map(
    ({ position, label }) => html`<span class="tick" style="left:${position}%">${label}</span>`,
  )
  return section(
    'vms',
    'VMs, the next to expire first',
    html`<table class="timeline">
<thead><tr><th scope="col">VM</th><th scope="col">Expires</th><th scope="col" class="lane">
<span class="visually-hidden">From reservation to expiry</span>
<span class="track scale" aria-hidden="true">${marks}<span class="now" style="left:${now}%">now</span></span>
</th></tr></thead>
<tbody>
${rows.map(row => vmRow(row, now))}
</tbody>
</table>
<p class="legend" aria-hidden="true"><span class="bar active"></span> active <span class="bar suspended"></span> suspended
<span class="bar reserved"></span> not running yet <span class="bar grace"></span> grace: gc destroys it at the end</p>`,
  )
}

function vmRow(row: TimelineRow, now: number): Html {
  const {
    name,
    phase,
    isStopped,
    vmid,
    address,
    owner,
    ownerName,
    purpose,
    expires,
    start,
    end,
    graceEnd,
    beyond,
  } = row
  const look = isStopped ? 'suspended' : phase === 'active' || phase === 'suspended' ? phase : 'reserved'
  return html`<tr>
<th scope="row">${name} <span class="badge ${look}">${isStopped ? 'stopped' : phase}</span>
<span class="quiet">VM ${vmid}, ${address}${purpose === '' ? '' : `, ${purpose}`}</span>
${ownerName === undefined ? undefined : html`<span class="quiet owner">owner ${ownerName}</span>`}
${owner === null ? undefined : html`<span class="quiet owner" title="${owner}">owner ${shortened(owner)}</span>`}
${row.failure === undefined ? undefined : html`<span class="bad">${row.failure}</span>`}</th>
<td>${expiryCell(row)} <span class="quiet">${expires}</span></td>
<td class="lane" aria-hidden="true"><span class="track">
<span class="bar grace" style="left:${end}%;width:${width(end, graceEnd)}%"></span>
<span class="bar ${look}${beyond ? ' beyond' : ''}" style="left:${start}%;width:${width(start, end)}%"></span>
<span class="now" style="left:${now}%"></span></span></td>
</tr>`
}

function expiryCell({ expiresAt }: TimelineRow): Html {
  if (expiresAt === null) return html`never`
  return html`<time datetime="${expiresAt}">${expiresAt.slice(0, 10)}</time>`
}

function width(from: number, to: number): number {
  return Number(Math.max(0, to - from).toFixed(2))
}

function pool({ name, first, last, taken, reserved, free, cells, outside }: PoolMap): Html {
  const facts = [`${taken} taken`, `${compact(free)} free`]
  if (reserved > 0) facts.push(`${reserved} of the network`)
  return html`<h3>${name}</h3>
<p class="quiet">${first} to ${last}: ${facts.join(', ')}${outside.length === 0 ? '' : `; outside of it: ${outside.join(', ')}`}</p>
<ol class="map">
${cells.map(cell)}
</ol>`
}

function cell({ kind, label, address, count, vm }: PoolCell): Html {
  const what =
    vm?.name ?? (kind === 'reserved' ? 'network' : count === 1n ? 'free' : `${compact(count)} free`)
  const title = vm === undefined ? `${address}: ${what}` : `${address}: ${vm.name}, ${vm.phase}`
  const wide = count === 1n ? '' : ' wide'
  return html`<li class="${kind}${wide}" title="${title}"><span>${label}</span> <b>${what}</b></li>`
}

function runs(all: Run[]): Html {
  if (all.length === 0) return section('runs', 'Last runs', html`<p>Nothing was done yet.</p>`)
  const longest = Math.max(1, ...all.map(({ seconds }) => seconds ?? 0))
  const rows = all.map(
    ({ at, of, what, isFailure, seconds }) => html`<tr>
<td><time datetime="${at}">${minuteOf(at)}</time></td>
<th scope="row">${of}</th>
<td${isFailure ? html` class="bad"` : undefined}>${what}</td>
<td>${seconds === undefined ? undefined : duration(seconds, longest)}</td>
</tr>`,
  )
  return section(
    'runs',
    'Last runs',
    html`<p class="quiet">Builds take what they took until they were tested; a VM, from its reservation to its first boot.</p>
<div class="scroll" role="region" aria-labelledby="runs" tabindex="0"><table>
<thead><tr><th scope="col">UTC</th><th scope="col">Of</th><th scope="col">What</th><th scope="col">Took</th></tr></thead>
<tbody>
${rows}
</tbody>
</table></div>`,
  )
}

function duration(seconds: number, longest: number): Html {
  const share = ((100 * seconds) / longest).toFixed(1)
  return html`<span class="took"><span class="meter" aria-hidden="true" style="width:${share}%"></span>${timeTaken(seconds)}</span>`
}

function reconciled(found: Reconciled): Html {
  const title = 'Registry, folders, Proxmox and chain'
  if ('unknown' in found) {
    return section(
      'reconcile',
      title,
      html`<p class="bad">Proxmox could not be asked, so this is not known: ${found.unknown}</p>`,
    )
  }
  if (found.findings.length === 0) return section('reconcile', title, html`<p class="well">They agree.</p>`)
  const items = found.findings.map(
    ({ name, what, hint }) =>
      html`<li><strong>${name}</strong>: ${what}<br><span class="quiet">${hint}</span></li>`,
  )
  return section(
    'reconcile',
    title,
    html`<ul class="findings">
${items}
</ul>`,
  )
}

/** Formats `2026-11-28 18:40`. */
function minuteOf(iso: string): string {
  return iso.slice(0, 16).replace('T', ' ')
}

function timeTaken(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`
  return `${Math.round(seconds / 3600)} h`
}

function shortened(wallet: string): string {
  return `${wallet.slice(0, 6)}…${wallet.slice(-4)}`
}

const COMPACT = new Intl.NumberFormat('en', { notation: 'compact' })

/** Formats `43`, `16M`. */
function compact(count: bigint): string {
  return count < 10_000n ? String(count) : COMPACT.format(count)
}
