// Drives the lab with Telmate/proxmox-api-go in the order of a proxmox-clone build of Packer, and tells what it
// saw and what it sent. The login comes through stdin; stdout is one JSON document.
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/Telmate/proxmox-api-go/proxmox"
)

type login struct {
	Username string `json:"username"`
	Password string `json:"password"`
	Token    string `json:"token"`
}

type request struct {
	Method string `json:"method"`
	Path   string `json:"path"`
	// The word before the first `=` of the header.
	Authorization string `json:"authorization"`
	Csrf          bool   `json:"csrf"`
	Cookie        bool   `json:"cookie"`
	Status        string `json:"status"`
}

type recorder struct {
	next http.RoundTripper
	seen []request
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	scheme, _, _ := strings.Cut(req.Header.Get("Authorization"), "=")
	// The library writes the header as Proxmox spells it, not in Go's canonical form.
	csrf := len(req.Header["CSRFPreventionToken"]) > 0
	seen := request{
		Method: req.Method, Path: strings.TrimPrefix(req.URL.Path, "/api2/json"),
		Authorization: scheme, Csrf: csrf, Cookie: req.Header.Get("Cookie") != "",
	}
	resp, err := r.next.RoundTrip(req)
	if err == nil {
		seen.Status = resp.Status
	}
	r.seen = append(r.seen, seen)
	return resp, err
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func connect(who login) (*proxmox.Client, *recorder) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(must(os.ReadFile(os.Getenv("LAB_CA"))))
	trusting := &tls.Config{RootCAs: roots}
	record := &recorder{next: &http.Transport{TLSClientConfig: trusting}}
	url := "https://127.0.0.1:" + os.Getenv("LAB_PORT") + "/api2/json"
	client := must(proxmox.NewClient(url, &http.Client{Transport: record}, "", trusting, "", 60))
	if who.Token != "" {
		client.SetAPIToken(who.Username, who.Token)
	} else {
		check(client.Login(who.Username, who.Password, ""))
	}
	return client, record
}

// What Packer sends after the clone: every key it knows, empty ones too.
func change(client *proxmox.Client, vm *proxmox.VmRef) {
	cores, memory := proxmox.QemuCpuCores(2), proxmox.QemuMemoryCapacity(1024)
	description, user, none := "by telmate", "debian", ""
	config := proxmox.ConfigQemu{
		Name: "telmate", Description: &description, Agent: &proxmox.QemuGuestAgent{Enable: &[]bool{true}[0]},
		CPU:       &proxmox.QemuCPU{Cores: &cores},
		Memory:    &proxmox.QemuMemory{CapacityMiB: &memory},
		Tags:      &[]proxmox.Tag{},
		CloudInit: &proxmox.CloudInit{Username: &user, DNS: &proxmox.GuestDNS{SearchDomain: &none}},
		QemuNetworks: proxmox.QemuDevices{
			0: {"model": "virtio", "bridge": "vmbr0", "firewall": false},
		},
	}
	must(config.Update(false, vm, client))
}

func main() {
	var who login
	check(json.NewDecoder(os.Stdin).Decode(&who))
	client, record := connect(who)
	seen := map[string]any{}

	seen["version"] = must(client.GetVersion()).Major
	source := must(client.GetVmRefsByName("base"))[0]
	id := must(client.GetNextID(0))
	taken := must(client.GetNextID(source.VmId()))
	seen["nextid"], seen["nextid after a taken one"] = id, taken

	vm := proxmox.NewVmRef(id)
	vm.SetNode("pve")
	vm.SetVmType("qemu")
	full := 1
	check(proxmox.ConfigQemu{Name: "telmate", FullClone: &full}.CloneVm(source, vm, client))
	seen["ha"] = text(client.ReadVMHA(vm))
	change(client, vm)
	config := must(proxmox.NewConfigQemuFromApi(vm, client))
	seen["cores"], seen["memory"] = config.CPU.Cores, config.Memory.CapacityMiB
	seen["agent"], seen["description"] = config.Agent.Enable, config.Description

	_, err := client.GetVmAgentNetworkInterfaces(vm)
	seen["agent of a stopped VM"] = text(err)
	seen["start"] = must(client.StartVm(vm))
	names := []string{}
	for _, nic := range must(client.GetVmAgentNetworkInterfaces(vm)) {
		names = append(names, nic.Name)
	}
	seen["interfaces"] = names
	seen["config"] = must(client.SetVmConfig(vm, map[string]any{"delete": "ciuser"}))
	seen["shutdown"] = must(client.ShutdownVm(vm))
	check(client.CreateTemplate(vm))
	seen["template"] = must(client.GetVmConfig(vm))["template"]

	check(client.Upload("pve", "local", "iso", "telmate.iso", bytes.NewReader([]byte("no image"))))
	seen["delete the ISO"] = must(client.DeleteVolume(vm, "local", "iso/telmate.iso"))
	seen["delete"] = must(client.DeleteVm(vm))
	_, err = client.GetVmRefById(id)
	seen["gone"] = text(err)
	seen["requests"] = record.seen
	check(json.NewEncoder(os.Stdout).Encode(seen))
}
