-- Only for stage = "s3://bucket/prefix": Snowflake reads the bucket through an integration, with no key in it.
-- The loader uploads to the bucket with its own AWS identity (s3:PutObject, s3:GetObject, s3:ListBucket,
-- s3:DeleteObject on the prefix); Snowflake's identity needs s3:GetObject and s3:ListBucket on it.
CREATE STORAGE INTEGRATION IF NOT EXISTS EVENTREPLAY_S3 TYPE = EXTERNAL_STAGE STORAGE_PROVIDER = 'S3' ENABLED = TRUE STORAGE_AWS_ROLE_ARN = 'arn:aws:iam::123456789012:role/eventreplay-snowflake' STORAGE_ALLOWED_LOCATIONS = ('s3://my-bucket/eventreplay/');
GRANT USAGE ON INTEGRATION EVENTREPLAY_S3 TO ROLE EVENTREPLAY_OWNER;
CREATE STAGE IF NOT EXISTS EVENTREPLAY.RAW.EVENTREPLAY_S3_STAGE URL = 's3://my-bucket/eventreplay/' STORAGE_INTEGRATION = EVENTREPLAY_S3;
GRANT USAGE ON STAGE EVENTREPLAY.RAW.EVENTREPLAY_S3_STAGE TO ROLE EVENTREPLAY_LOADER;
