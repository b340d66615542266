"""Serves fakepve on loopback until stdin ends, and plays the guests it does not have.

The first line of stdin is what it is to be, as JSON; the first line of stdout tells where it is. What the guests
do is as much as a build needs of them: one that boots from an ISO powers itself off, as a base VM does once it has
installed what the ISO asks for; any other keeps running.
"""

import asyncio
import json
import sys
import tempfile

from fakepve import FakePve
from fakepve.certs import make_cert


def prepare(spec):
    pve = FakePve(user="root@pam", password=spec["password"], host="127.0.0.1", port=0)
    pve.nodes = {spec["node"]: {"online": True}}
    pve.storages["local"]["content"] = "iso,vztmpl,backup,import,snippets"
    pve.users[spec["token"].partition("!")[0]] = spec["password"]
    pve.apitokens[spec["token"]] = spec["secret"]
    for holder, path, privileges in spec["grants"]:
        pve.grant(holder, path, *privileges)
    return pve


def boots_from_iso(vm):
    return "media=cdrom" in vm.config.get("ide2", "") and ":iso/" in vm.config["ide2"]


async def play_guests(pve):
    while True:
        for vm in pve.vms:
            if vm.status == "running" and boots_from_iso(vm):
                vm.status = vm.qmpstatus = "stopped"
        await asyncio.sleep(0.1)


async def main():
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    pve = prepare(json.loads(await lines.readline()))
    with tempfile.TemporaryDirectory(prefix="fakepve-") as folder:
        certificate, key, _ = make_cert(folder)
        await pve.start(certificate, key)
        guests = asyncio.ensure_future(play_guests(pve))
        print(json.dumps({"url": pve.url + "/api2/json", "caFile": certificate}), flush=True)
        await lines.read()
        guests.cancel()
        await pve.stop()


asyncio.run(main())
