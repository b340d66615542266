# Runs once, as the system, when the installation is complete: what Packer needs to find the guest and log in.
# With -Register, earlier: copies itself from the answer medium to where Windows looks for such a step.
param([switch]$Register)
$ErrorActionPreference = 'Stop'

if ($Register) {
  $folder = (New-Item -Force -ItemType Directory "$env:WINDIR\Setup\Scripts").FullName
  Copy-Item $PSCommandPath $folder
  $command = "powershell -NoProfile -ExecutionPolicy Bypass -File $folder\setup-complete.ps1"
  Set-Content -Encoding Ascii "$folder\SetupComplete.cmd" $command
  exit 0
}

Start-Transcript -Path "$env:WINDIR\Temp\setup-complete.log"

# Drivers and the guest agent, from whichever drive holds the virtio-win medium.
$media = Get-Volume | Where-Object { $_.DriveLetter -and (Test-Path "$($_.DriveLetter):\virtio-win-guest-tools.exe") }
if (-not $media) { throw 'the virtio-win medium is not there' }
$tools = "$($media[0].DriveLetter):\virtio-win-guest-tools.exe"
$installer = Start-Process -Wait -PassThru $tools -ArgumentList '/install', '/quiet', '/norestart'
# 3010: it worked, and a restart is due.
if ($installer.ExitCode -notin 0, 3010) { throw "$tools ended with $($installer.ExitCode)" }

# WinRM over TLS alone, with a certificate made here. scripts/sysprep.ps1 takes all of it away again.
Get-NetConnectionProfile | Set-NetConnectionProfile -NetworkCategory Private
Enable-PSRemoting -Force -SkipNetworkProfileCheck
$certificate = New-SelfSignedCertificate -CertStoreLocation Cert:\LocalMachine\My -DnsName proxmint-build
New-Item -Force -Path WSMan:\localhost\Listener -Transport HTTPS -Address * -CertificateThumbPrint $certificate.Thumbprint
Get-ChildItem WSMan:\localhost\Listener | Where-Object { $_.Keys -contains 'Transport=HTTP' } | Remove-Item -Recurse
Set-Item WSMan:\localhost\Service\Auth\Basic $true
New-NetFirewallRule -Name proxmint-build -DisplayName 'proxmint build' -Direction Inbound -Protocol TCP -LocalPort 5986 -Action Allow

Stop-Transcript
