/** What the owner of a token signs (EIP-191) to log in. @param code as the VM shows it. */
export function otpText(machineId: string, code: string): string {
  return `Authenticate to ${machineId} with code: ${code}`
}
