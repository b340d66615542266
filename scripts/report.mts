import { printAnswer } from './lib/run/answer.mts'
import { runMain } from './lib/run/main.mts'

await runMain({
  name: 'report',
  summary: 'Writes an HTML page about VM templates, VMs, address pools and runs.',
  usage: '[--out FILE]',
  options: {
    out: { type: 'string', value: 'FILE', help: 'default .proxmint/report.html' },
  },
  positionals: 0,
  uses: ['config', 'credentials', 'tools', 'registry', 'vms', 'chain'],
  writes: ['.proxmint/report.html', '<--out FILE>'],
  example: 'zx scripts/report.mts --out report.html',
  async run(args, signal) {
    const { formatReport, writeReport } = await import('./lib/report/report.mts')
    const report = await writeReport(args.string('out'), signal)
    const { attention, figures } = report.model
    return printAnswer(args, {
      document: { file: report.file, attention, vms: figures.vms, reconciled: report.model.reconciled },
      text: formatReport(report),
    })
  },
})
