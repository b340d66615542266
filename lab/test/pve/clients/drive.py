"""Drives the lab with proxmoxer: log in, list, clone, start, ask the agent, make a template, delete."""

import json
import os
import sys
import time

from proxmoxer import ProxmoxAPI
from proxmoxer.core import ResourceException

login = json.load(sys.stdin)
kind = login.pop("kind")
newid = login.pop("newid")
api = ProxmoxAPI("127.0.0.1", verify_ssl=os.environ["LAB_CA"], port=int(os.environ["LAB_PORT"]), **login)


def wait(upid):
    while True:
        status = api.nodes("pve").tasks(upid).status.get()
        if status["status"] == "stopped":
            return status["exitstatus"]
        time.sleep(0.05)


vms = api.nodes("pve").qemu
seen = {
    "version": api.version.get()["release"],
    "before": [vm["vmid"] for vm in api.cluster.resources.get(type="vm")],
    "clone": wait(vms(100).clone.post(newid=newid, name=kind, full=1)),
    "config": wait(vms(newid).config.post(cores=3, description="by proxmoxer")),
    "start": wait(vms(newid).status.start.post()),
    "interfaces": [nic["name"] for nic in vms(newid).agent("network-get-interfaces").get()["result"]],
    "stop": wait(vms(newid).status.stop.post()),
    "template": wait(vms(newid).template.post()),
    "cores": vms(newid).config.get()["cores"],
    "delete": wait(vms(newid).delete()),
}
try:
    vms(newid).config.get()
except ResourceException as error:
    seen["gone"] = [error.status_code, error.content]
print(json.dumps(seen))
