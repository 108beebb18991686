"""AWS CloudTrail: the data events of S3 in its log files become observations."""

from purposewatch_connect.exports.cloudtrail.records import read_cloudtrail

__all__ = ["read_cloudtrail"]
