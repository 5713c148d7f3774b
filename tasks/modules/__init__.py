"""What several modules share; none of it is a module of a pipeline, and none needs Prefect."""
