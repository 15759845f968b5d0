"""Checking campaign files."""

from measure import Line, side_by_side, take
from workspace import Workspace, accounts, pushplan

CAMPAIGN = """\
campaign: campaign-{number}
description: One of many
audience:
  csv: people.csv
  account: user_id
  where: {{ lang: en, opted_out: false }}
message:
  title: "{{{{first_name}}}}, the sale starts now"
  body: "Up to 50% off in {{{{city}}}} until Sunday"
  ext: {{ campaign: campaign-{number}, url: "app://sale" }}
  android: {{ oppo_category: MARKETING, huawei_category: MARKETING, honor_importance: LOW }}
  apns: {{ sound: default, interruption_level: active }}
schedule: {{ cron: "0 9 * * MON", timezone: Asia/Shanghai, expires_after: 2h, missed: skip }}
delivery: {{ max_failures: 5% }}
"""


def validate(rounds, files=1000):
    """`validate` of a thousand campaign files."""
    with Workspace(accounts(1)) as workspace:
        workspace.write("campaigns/people.csv", "user_id,first_name,city,lang,opted_out\nu1,Ann,Lyon,en,false\n")
        for number in range(files - 1):
            workspace.write(f"campaigns/campaign-{number}.yaml", CAMPAIGN.format(number=number))

        def run():
            return {"seconds": take(pushplan("--allow-outside", "validate"), folder=workspace.folder).seconds}

        seconds = side_by_side(rounds, {"validate": run})["validate"]["seconds"]
    yield Line(f"`validate` of {files:,} campaign files", seconds, 0.5, 0.2, f"{seconds:.3f} s", " s")
