"""`orion fake-vendor --flat-files`: the fake vendor's objects, put into the bucket of an S3 server on this machine."""

from datetime import timedelta
from typing import Any, cast

from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from orion_assets.cli.output import ERR, Exit, refuse
from orion_assets.sources.synthetic.vendor.flatfiles import BUCKET, FOLDERS, S3Client, put_days, put_sessions
from orion_assets.sources.synthetic.vendor.truth import Truth
from orion_assets.sources.transport import is_on_this_machine

_KEY = "anything"


def put_flat_files(endpoint: str, truth: Truth, sessions: int) -> list[str]:
    """Put the objects of the last sessions into the bucket, which is made where it is not there; of all markets.

    Args:
        endpoint: Of an S3 server on this machine that takes any key: a market that never was belongs nowhere else.
        truth: The market.
        sessions: How many sessions, the last ones.

    Returns:
        The settings of whoever is to read them.
    """
    if not is_on_this_machine(endpoint):
        refuse(f"--flat-files {endpoint}: not a server on this machine; name one like http://127.0.0.1:4566")
    session: Any = Session(aws_access_key_id=_KEY, aws_secret_access_key=_KEY, region_name="us-east-1")
    config = Config(s3={"addressing_style": "path"}, connect_timeout=5, retries={"total_max_attempts": 2})
    client: Any = session.client("s3", endpoint_url=endpoint, config=config)
    try:
        if BUCKET not in [each["Name"] for each in client.list_buckets().get("Buckets", [])]:
            client.create_bucket(Bucket=BUCKET)
        last = truth.sessions["session"].tail(sessions)
        keys = put_sessions(cast("S3Client", client), truth, last)
        # A session of currencies begins on the evening before
        days = [last[0] + timedelta(days=number) for number in range(-1, (last[-1] - last[0]).days + 1)]
        for market in FOLDERS:
            keys += put_days(cast("S3Client", client), truth, market, days) if market != "stocks" else []
    except (BotoCoreError, ClientError) as e:
        refuse(f"--flat-files {endpoint}: {e}", Exit.FAILED)
    ERR.print(f"fake vendor: {len(keys)} objects in s3://{BUCKET}")
    return [
        f"ORION_POLYGON_S3_ENDPOINT_URL={endpoint}",
        f"POLYGON_S3_ACCESS_KEY={_KEY}",
        f"POLYGON_S3_SECRET_KEY={_KEY}",
        "ORION_POLYGON_PLAN=starter",
    ]
