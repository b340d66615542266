"""Makes the calls it is told with proxmoxer, and tells what came of each."""

import json
import os
import sys

from proxmoxer import ProxmoxAPI
from proxmoxer.core import ResourceException

asked = json.load(sys.stdin)
api = ProxmoxAPI("127.0.0.1", verify_ssl=os.environ["LAB_CA"], port=int(os.environ["LAB_PORT"]), **asked["login"])


def call(method, path, parameters):
    try:
        return {"data": getattr(api(path), method)(**parameters)}
    except ResourceException as error:
        return {"status": error.status_code, "text": error.content, "errors": error.errors}


print(json.dumps([call(*each) for each in asked["calls"]]))
