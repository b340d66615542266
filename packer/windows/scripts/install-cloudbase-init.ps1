# Installs cloudbase-init, which gives each clone its name, address, user and password from Proxmox's drive.
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'

$installer = "$env:WINDIR\Temp\cloudbase-init.msi"
$folder = "$env:ProgramFiles\Cloudbase Solutions\Cloudbase-Init"

[Net.ServicePointManager]::SecurityProtocol = [Net.SecurityProtocolType]::Tls12
Invoke-WebRequest -UseBasicParsing -Uri $env:CLOUDBASE_INIT_URL -OutFile $installer
$got = (Get-FileHash -Algorithm SHA256 $installer).Hash
if ($got -ne $env:CLOUDBASE_INIT_SHA256) {
  throw "the installer has the SHA-256 $got, not $env:CLOUDBASE_INIT_SHA256"
}

$run = Start-Process -Wait -PassThru msiexec -ArgumentList '/i', $installer, '/qn', '/norestart', 'RUN_SERVICE_AS_LOCAL_SYSTEM=1'
if ($run.ExitCode -notin 0, 3010) { throw "the installer ended with $($run.ExitCode)" }

Copy-Item -Force "$env:WINDIR\Temp\cloudbase-init\*.conf" "$folder\conf"
Copy-Item -Force "$env:WINDIR\Temp\cloudbase-init\unattend.xml" "$folder\conf\Unattend.xml"
Set-Service cloudbase-init -StartupType Automatic
