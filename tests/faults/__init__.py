"""What goes wrong between an app and an API: each fault at each stage of a session.

ends          raw-socket ends that note what they see
certificates  good ones and bad ones
table         the faults and the stages
play          plays a fault, direct and through a recorder
document      docs/faults.md
"""
