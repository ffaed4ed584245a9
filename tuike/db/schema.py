"""The one MetaData that every capability's tables join."""

from sqlalchemy import MetaData

metadata = MetaData()
