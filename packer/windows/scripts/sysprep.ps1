# Generalizes Windows, then leaves the rest to a task of the system, which takes away what Packer logged in with.
$ErrorActionPreference = 'Stop'

$answer = "$env:ProgramFiles\Cloudbase Solutions\Cloudbase-Init\conf\Unattend.xml"
$sysprep = Start-Process -Wait -PassThru "$env:WINDIR\System32\Sysprep\sysprep.exe" -ArgumentList '/generalize', '/oobe', '/quit', '/mode:vm', "/unattend:`"$answer`""
$state = (Get-ItemProperty HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Setup\State).ImageState
if ($state -ne 'IMAGE_STATE_GENERALIZE_RESEAL_TO_OOBE') {
  throw "sysprep ended with $($sysprep.ExitCode) and left the state $state"
}

# Ten seconds later nobody knows the password any more, and nothing listens. The script removes itself.
$last = "$env:WINDIR\Temp\last-step.ps1"
Set-Content $last @'
Start-Sleep -Seconds 10
$bytes = [byte[]]::new(32)
[Security.Cryptography.RandomNumberGenerator]::Create().GetBytes($bytes)
$password = ConvertTo-SecureString -AsPlainText -Force ('aA1!' + [Convert]::ToBase64String($bytes))
Set-LocalUser -Name Administrator -Password $password
Disable-LocalUser -Name Administrator
Get-ChildItem WSMan:\localhost\Listener | Remove-Item -Recurse -Force
Set-Item WSMan:\localhost\Service\Auth\Basic $false
Get-ChildItem Cert:\LocalMachine\My | Where-Object { $_.Subject -eq 'CN=proxmint-build' } | Remove-Item
Remove-NetFirewallRule -Name proxmint-build
Stop-Service WinRM
Set-Service WinRM -StartupType Manual
Unregister-ScheduledTask -TaskName proxmint-last-step -Confirm:$false
Remove-Item -Force $PSCommandPath
'@
$action = New-ScheduledTaskAction -Execute powershell -Argument "-NoProfile -ExecutionPolicy Bypass -File $last"
$null = Register-ScheduledTask -TaskName proxmint-last-step -Action $action -User SYSTEM -RunLevel Highest
Start-ScheduledTask -TaskName proxmint-last-step
