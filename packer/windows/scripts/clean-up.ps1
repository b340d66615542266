# Makes the disk a template: what the build left is taken away. What one machine has for itself alone (SID,
# machine id, certificates of its own) sysprep takes.
$ErrorActionPreference = 'Stop'

# Windows keeps copies of the answer file, and with it the build's password.
$answers = "$env:WINDIR\Panther\unattend.xml", "$env:WINDIR\Panther\Unattend\unattend.xml",
  "$env:WINDIR\System32\Sysprep\unattend.xml", "$env:WINDIR\System32\Sysprep\Panther\unattend.xml"
foreach ($answer in $answers) { if (Test-Path $answer) { Remove-Item -Force $answer } }
Get-ChildItem -Recurse -Force "$env:WINDIR\Panther" -Include *.xml, setupact.log, setuperr.log -ErrorAction SilentlyContinue |
  Remove-Item -Force -ErrorAction SilentlyContinue

# The step that ran after the installation.
Remove-Item -Recurse -Force "$env:WINDIR\Setup\Scripts"

# Downloads, logs, histories.
Remove-Item -Recurse -Force "$env:WINDIR\Temp\cloudbase-init*"
Get-ChildItem "$env:ProgramFiles\Cloudbase Solutions\Cloudbase-Init\log" | Remove-Item -Force
Remove-Item -Recurse -Force "$env:WINDIR\SoftwareDistribution\Download\*" -ErrorAction SilentlyContinue
Remove-Item -Force "$env:APPDATA\Microsoft\Windows\PowerShell\PSReadLine\*" -ErrorAction SilentlyContinue
# By cmd: what a program writes to a stderr that PowerShell 5.1 redirects ends the script. Some logs cannot be cleared.
foreach ($log in wevtutil enum-logs) { cmd /c "wevtutil clear-log `"$log`" 2>nul" }
Clear-DnsClientCache
exit 0
