"""What Airflow itself puts into a new database: nobody's data, so in nobody's way.

The digests are those of the connections that a fresh `airflow db init` of 2.5.1, 2.10.3 and
2.11.0 makes; the tests compare them with such databases.

This module travels: it also runs in Airflow's own Python (3.7 and later) as part of a DAG.
"""

DEFAULT_POOL = "default_pool"

DEFAULT_CONNECTIONS = {
    "932cc7cbcbca7c57",  # airflow_db
    "b2d0f8591f1017db",  # athena_default
    "a25e7d6da9f81983",  # aws_default
    "4afeb0b7265b3910",  # azure_batch_default
    "6e9602b0d206ac3b",  # azure_cosmos_default
    "7751777903c313cd",  # azure_data_explorer_default
    "8dce122aff365b90",  # azure_data_lake_default
    "3e6c6c769c0a3859",  # azure_default
    "69c291f91f7e39a1",  # cassandra_default
    "1cc970beada0dca1",  # databricks_default
    "79d097b58590560f",  # dingding_default
    "c7c4707746c8e33f",  # drill_default
    "9695e5d4d0266b52",  # druid_broker_default
    "0bf291e4b7127655",  # druid_ingest_default
    "ee02617c95bf5eec",  # elasticsearch_default
    "beb8700ba49cf6bc",  # emr_default
    "d935071a8e551517",  # facebook_default
    "1470795d3e40425b",  # fs_default
    "e0eea17db42eeb25",  # ftp_default
    "b84320024beef300",  # google_cloud_default
    "7c20a07a1e3df5c8",  # hive_cli_default
    "dabd65df3b8ca85b",  # hiveserver2_default
    "f53bafe0b50eb693",  # http_default
    "35de13f6a7c74f74",  # iceberg_default
    "c44ba671ced35575",  # impala_default
    "be141e31bbc235a6",  # kafka_default
    "09154dc55fa65269",  # kubernetes_default
    "9b5793b70ea41814",  # kylin_default
    "4023c54676c32f53",  # leveldb_default
    "337feaa8c4bb31a2",  # livy_default
    "5c8e641541482b29",  # local_mysql
    "5c204f3fa15cec93",  # metastore_default
    "10abc6896983328b",  # mongo_default
    "a878104912091144",  # mssql_default
    "047a506e027f7d48",  # mysql_default
    "160a728b24b028bc",  # opsgenie_default
    "d843854fa41d28eb",  # oracle_default
    "090dee7b3577b12b",  # oss_default
    "344028d95e957377",  # pig_cli_default
    "991a9d69a5d9b745",  # pinot_admin_default
    "b24d683ba0bb3603",  # pinot_broker_default
    "6ccc4effc0ea57b6",  # postgres_default
    "37450ea8a3ae231c",  # presto_default
    "8ba62a1cb291b7f1",  # qdrant_default
    "c35bf1a2f2e917f8",  # qubole_default
    "d592e9961bc3dcc3",  # redis_default
    "23f510196083e456",  # redshift_default
    "1bf3ed75b342273b",  # salesforce_default
    "8eb09838ab72cc25",  # segment_default
    "3bb36f62f4ab27a0",  # sftp_default
    "1c29664aa0ae156a",  # spark_default
    "d4311cba0430e816",  # sqlite_default
    "f6ca2778bb57ca17",  # sqoop_default
    "e928100b6e4d41ad",  # ssh_default
    "32c6032fb75180ae",  # tableau_default
    "eb1d29d5a9ff8f2f",  # tabular_default
    "b3821125cc2a4fe1",  # teradata_default
    "094b47636e766c9f",  # trino_default
    "9bff12a7841bbbff",  # vertica_default
    "06092d45a8d9a143",  # wasb_default
    "7501abe4b92afaf3",  # webhdfs_default
    "c5c79826a7f14ea8",  # yandexcloud_default
    "b0704d3ec3230326",  # ydb_default
}
