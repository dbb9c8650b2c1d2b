"""Loaded by LiteLLM's proxy: writes what LiteLLM logs, as LiteLLM built it, and knows the virtual keys.

RECORD_DIR holds keys.json (virtual key to its fields) and receives payloads.jsonl and spend.jsonl.
"""

import json
import os
from pathlib import Path

from fastapi import HTTPException
from litellm.integrations.custom_logger import CustomLogger
from litellm.proxy._types import UserAPIKeyAuth
from litellm.proxy.db.db_spend_update_writer import DBSpendUpdateWriter
from litellm.proxy.hooks.proxy_track_cost_callback import _ProxyDBLogger

FOLDER = Path(os.environ["RECORD_DIR"])
KEYS = json.loads((FOLDER / "keys.json").read_text())


def append(name, record):
    with open(FOLDER / name, "a") as file:
        file.write(json.dumps(record, default=str) + "\n")


class Payloads(CustomLogger):
    async def async_log_success_event(self, kwargs, response_obj, start_time, end_time):
        append("payloads.jsonl", kwargs["standard_logging_object"])

    async_log_failure_event = async_log_success_event


async def write_spend_row(self, payload, prisma_client=None, *_args, **_kwargs):
    append("spend.jsonl", payload)
    return prisma_client


# LiteLLM starts its writer of spend rows only beside a database. It is started here without one, and each row is
# taken at the last step before the database.
DBSpendUpdateWriter._insert_spend_log_to_db = write_spend_row
payloads, spend_rows = Payloads(), _ProxyDBLogger()


async def check_key(request, api_key):
    """Without a database LiteLLM knows no virtual keys and asks here."""
    if api_key not in KEYS:
        raise HTTPException(status_code=401, detail="no such key")
    return UserAPIKeyAuth(api_key=api_key, **KEYS[api_key])
